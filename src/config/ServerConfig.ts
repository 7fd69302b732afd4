/** The configuration of a server: reads `server.json` and reports everything that is wrong with it. The keys are in `ConfigSchema`. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { isJsonObject } from "../internal/JsonObject.ts"
import { readFile } from "../internal/files.ts"
import * as ConfigErrors from "./ConfigError.ts"
import { copy, keysByPath } from "./ConfigKeys.ts"
import { defaults, Values, type Written } from "./ConfigSchema.ts"
import * as CurrentConfig from "./CurrentConfig.ts"
import { jsonSyntaxError } from "./JsonSyntaxError.ts"

export { ConfigError, type KeyProblem, type Problem } from "./ConfigError.ts"
export { type Key, keys, settableKeys, shown, withoutSecrets } from "./ConfigKeys.ts"
export { defaults, Values, type Written } from "./ConfigSchema.ts"
export { type Level, levels, profileOf } from "./CurrentConfig.ts"

/** A configuration, with advice to its author. */
export interface Loaded {
  readonly values: Values
  /** One line each, beginning with the source. */
  readonly warnings: ReadonlyArray<string>
}

/** The options of a server in a program: a `server.json` without the `logger` group. */
export interface Options extends Omit<Written, "logger" | "$schema"> {}

/** The deepest group. Deeper nesting is left for the schema to report. */
const MAX_DEPTH = 4

/** A program may leave out an option by setting it to `undefined`. */
const withoutUndefined = (value: unknown, depth = 0): unknown =>
  isJsonObject(value) && depth < MAX_DEPTH
    ? Object.fromEntries(
        Object.entries(value).flatMap(([name, inner]) =>
          inner === undefined ? [] : [[name, withoutUndefined(inner, depth + 1)]]
        )
      )
    : value

/**
 * Brings older forms, which files in the field still have, into the present one.
 *
 * @param names what messages call a key, if not by its path
 * @returns a copy of the input, a warning for each older form, and `names` with the keys that were moved
 */
const modernize = (input: unknown, names: ReadonlyMap<string, string>) => {
  const value = withoutUndefined(input)
  const warnings: Array<string> = []
  const origins = new Map(names)
  const nameOf = (path: string) => names.get(path) ?? path
  if (!isJsonObject(value)) return { value, warnings, origins }

  const { hyper_parameters: hyperParameters, logger } = value
  if (isJsonObject(hyperParameters)) {
    for (const name of ["host", "port"]) {
      if (!Object.hasOwn(hyperParameters, name)) continue
      const path = `hyper_parameters.${name}`
      if ((value[name] ?? null) === null) {
        value[name] = hyperParameters[name]
        origins.set(name, path)
        warnings.push(`${path} is an older form: move it to the top level, as ${name}`)
      } else {
        warnings.push(`${path} is an older form and ignored in favour of ${name} at the top level: remove it`)
      }
      delete hyperParameters[name]
    }
  }
  if (isJsonObject(logger)) {
    if (logger["log_keys"] === "") {
      logger["log_keys"] = null
      warnings.push(`${nameOf("logger.log_keys")}: "" is an older form: write null`)
    }
    const given = logger["log_level"]
    const level = typeof given === "string" ? given.toUpperCase() : ""
    if (CurrentConfig.levels.some((known) => known === level)) logger["log_level"] = level
    else if (level === "WARN") {
      logger["log_level"] = "WARNING"
      warnings.push(`${nameOf("logger.log_level")}: ${JSON.stringify(given)} is an older form: write "WARNING"`)
    }
  }
  return { value, warnings, origins }
}

const decodeValues = Schema.decodeUnknownResult(Values, { errors: "all", onExcessProperty: "error" })

const NO_NAMES: ReadonlyMap<string, string> = new Map()

/** A checked configuration, or a checked part of one. */
export interface Examined {
  /** The input, in present forms only. */
  readonly input: unknown
  /** One for each older form. */
  readonly warnings: ReadonlyArray<string>
  /** With every default, or everything that is wrong. */
  readonly values: Result.Result<Values, ReadonlyArray<ConfigErrors.KeyProblem>>
}

/**
 * Checks a configuration and fills in its defaults, as `decode` does, for merging several sources.
 *
 * @param names what messages call a key, if not by its path: the variable or the flag that set it
 */
export const examine = (input: unknown, names = NO_NAMES): Examined => {
  const { value, warnings, origins } = modernize(input, names)
  const values = Result.mapError(decodeValues(value), ({ issue }) =>
    ConfigErrors.problems({ issue, input: value, known: keysByPath(), origins })
  )
  return { input: value, warnings, values }
}

/**
 * Checks a configuration and fills in its defaults (docs/configuration.md).
 *
 * @param input what `JSON.parse` made of a `server.json`, or the same from a program
 * @param source names it in messages: a path, `configDict`
 * @returns fails with a `ConfigError` that lists every problem
 */
export const decode = Effect.fnUntraced(function* (input: unknown, source: string) {
  const examined = examine(input)
  const values = yield* Effect.fromResult(
    Result.mapError(examined.values, (problems) => ConfigErrors.invalidKeys(source, problems))
  )
  return { values, warnings: examined.warnings.map((warning) => `${source}: ${warning}`) } satisfies Loaded
})

/**
 * Reads a JSON file.
 *
 * @param path of the file, which is UTF-8 with or without a byte order mark
 * @returns fails with a `ConfigError`: unreadable, or no JSON (with line and column)
 */
export const read = Effect.fnUntraced(function* (path: string) {
  const text = yield* Effect.tryPromise({
    try: async () => new TextDecoder("utf-8", { fatal: true }).decode(await readFile(path)),
    catch: (cause) => ConfigErrors.unreadable(path, cause)
  })
  return yield* Effect.try({ try: (): unknown => JSON.parse(text), catch: () => jsonSyntaxError(path, text) })
})

/**
 * Reads a `server.json` (docs/configuration.md).
 *
 * @param path of the file, which is UTF-8 with or without a byte order mark
 * @returns fails with a `ConfigError`: unreadable, no JSON (with line and column), or every wrong key at once
 */
export const load = Effect.fnUntraced(function* (path: string) {
  return yield* decode(yield* read(path), path)
})

/** Any part of a configuration. */
export type DeepPartial<T> = {
  readonly [K in keyof T]?: T[K] extends object
    ? T[K] extends ReadonlyArray<unknown>
      ? T[K]
      : DeepPartial<T[K]>
    : T[K]
}

/** A configuration with another laid over it, key by key. Lists are replaced whole. */
export const merge = (base: object, overrides: object): object => {
  // A map, because `__proto__` is a key like any other here.
  const merged = new Map<string, unknown>(Object.entries(base))
  for (const [name, value] of Object.entries(overrides)) {
    const given = merged.get(name)
    merged.set(name, isJsonObject(given) && isJsonObject(value) ? merge(given, value) : value)
  }
  return Object.fromEntries(merged)
}

/** The values of a configuration, once its warnings are logged. */
export const fromLoaded = Effect.fnUntraced(function* <E>(loaded: Effect.Effect<Loaded, E>) {
  const { values, warnings } = yield* loaded
  yield* Effect.forEach(warnings, (warning) => Effect.logWarning(warning), { discard: true })
  return values
})

/** The configuration of this server (docs/configuration.md). */
export class ServerConfig extends CurrentConfig.ServerConfig {
  /** The configuration in a file. Logs its warnings. Fails as `load` does. */
  static readonly layerFile = (path: string) => Layer.effect(CurrentConfig.ServerConfig, fromLoaded(load(path)))

  /**
   * A configuration given by a program, in the form of a `server.json`. Logs its warnings. Fails as `decode` does.
   *
   * @param source names it in messages
   */
  static readonly layerValue = (value: unknown, source = "configuration") =>
    Layer.effect(CurrentConfig.ServerConfig, fromLoaded(decode(value, source)))

  /** For tests: the defaults, except as given, in objects of its own. Checks no bounds. */
  static readonly layerTest = (overrides: DeepPartial<Values> = {}) =>
    CurrentConfig.ServerConfig.layer(copy(merge(defaults, overrides) as Values))
}
