/**
 * Merges the sources of a configuration: defaults, file, environment variables, flags. The last source that sets a key wins. The problems of all
 * sources are reported together.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { statIfPresent } from "../internal/files.ts"
import { isJsonObject } from "../internal/JsonObject.ts"
import * as ConfigErrors from "./ConfigError.ts"
import * as ConfigPath from "./ConfigPath.ts"
import { showName } from "./redact.ts"
import * as ServerConfig from "./ServerConfig.ts"

/** The file that is read by default, if it exists. */
export const DEFAULT_FILE = "server.json"

const PREFIX = "SUMMONER_"

/** A flag that was given on the command line. */
export interface GivenFlag {
  /** As people type it: `--log-level`. */
  readonly name: string
  /** The key that it sets: `logger.log_level`. */
  readonly path: string
  readonly value: unknown
}

export interface Sources {
  /** The file that was named; else `server.json` is read if there is one. */
  readonly file: string | undefined
  /** `process.env` */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly flags: ReadonlyArray<GivenFlag>
}

/** A configuration, and where it came from. */
export interface Effective extends ServerConfig.Loaded {
  /** The sources together, in the form of a `server.json` without defaults. */
  readonly input: unknown
  readonly file: string | undefined
  /** What set each key, in the order of the schema: `default`, `file`, a variable or a flag. */
  readonly origins: ReadonlyMap<string, string>
  /** The sources in a few words, for the log. */
  readonly description: string
}

/** The environment variable that sets a key: `SUMMONER_LOGGER_LOG_LEVEL` for `logger.log_level`. */
export const variableOf = (path: string): string => PREFIX + path.toUpperCase().replaceAll(".", "_")

/** Kubernetes sets variables that begin with the names of services. A service called `summoner` must not keep the server from starting. */
const isServiceLink = (name: string, value: string): boolean =>
  /^(?:tcp|udp|sctp):\/\//.test(value) ||
  /_SERVICE_(?:HOST|PORT)(?:_|$)|_PORT_\d+_(?:TCP|UDP|SCTP)_(?:PROTO|PORT|ADDR)$/.test(name)

/** Whether the text `null` stands for null: only for a key that can be off. */
const isNull = (key: ServerConfig.Key, text: string): boolean => key.default === null && text === "null"

/** A text that is not JSON stays a string, which the schema then refuses. */
const parseValue = (text: string): unknown =>
  Result.getOrElse(
    Result.try((): unknown => JSON.parse(text)),
    () => text
  )

/** The problem of an unknown variable, with the nearest known one. */
const unknownVariable = (name: string): ConfigErrors.Problem => {
  const group = ServerConfig.keys()
    .filter(({ isGroup, path }) => isGroup && name.startsWith(`${variableOf(path)}_`))
    .reduce((longest, { path }) => (path.length > longest.length ? path : longest), "")
  const rest = name.slice(group === "" ? PREFIX.length : variableOf(group).length + 1).toLowerCase()
  const meant = ConfigErrors.nearest(
    [...group.split(".").filter((part) => part !== ""), rest],
    ServerConfig.settableKeys()
  )
  return {
    path: showName(name),
    expected: "a known variable",
    found: "an unknown one",
    hint: ConfigErrors.didYouMean(meant === undefined ? undefined : variableOf(meant))
  }
}

interface Source {
  /** What reports call it. */
  readonly label: string
  /** In the form of a `server.json`. */
  readonly input: unknown
  /** Variables or flags, by the paths of the keys that they set. */
  readonly names: ReadonlyMap<string, string>
  /** Problems other than the values of known keys. */
  readonly problems: ReadonlyArray<ConfigErrors.Problem>
}

const sourceOf = (
  label: string,
  settings: ReadonlyArray<GivenFlag>,
  problems: ReadonlyArray<ConfigErrors.Problem> = []
): Source => ({
  label,
  input: settings.reduce<object>(
    (input, { path, value }) => ServerConfig.merge(input, ConfigPath.only(path, value)),
    {}
  ),
  names: new Map(settings.map(({ name, path }) => [path, name])),
  problems
})

let byVariable: ReadonlyMap<string, ServerConfig.Key> | undefined

const environmentSource = (environment: Sources["environment"]): Source => {
  const keys = (byVariable ??= new Map(ServerConfig.settableKeys().map((key) => [variableOf(key.path), key])))
  const settings: Array<GivenFlag> = []
  const problems: Array<ConfigErrors.Problem> = []
  for (const [name, text = ""] of Object.entries(environment)) {
    if (!name.startsWith(PREFIX) || text === "" || isServiceLink(name, text)) continue
    const key = keys.get(name)
    if (key === undefined) problems.push(unknownVariable(name))
    else settings.push({ name, path: key.path, value: key.isText && !isNull(key, text) ? text : parseValue(text) })
  }
  return sourceOf("environment", settings, problems)
}

const originsOf = (values: ServerConfig.Values, file: unknown, names: ReadonlyMap<string, string>) =>
  new Map(
    ServerConfig.settableKeys().map(({ path }) => {
      const inFile = ConfigPath.valueAt(file, path)
      // `null` for a key that cannot be null means the default.
      const isSet = inFile !== undefined && (inFile !== null || ConfigPath.valueAt(values, path) === null)
      return [path, names.get(path) ?? (isSet ? "file" : "default")] as const
    })
  )

/** Merges the sources. Each is checked by itself, so that no source hides the mistakes of another; keys are compared with each other in the whole. */
const combine = Effect.fnUntraced(function* (
  file: string | undefined,
  content: unknown,
  others: ReadonlyArray<Source>
) {
  const fileSource: Source = { label: file ?? "file", input: content, names: new Map(), problems: [] }
  const given = others.filter(({ names, problems }) => names.size + problems.length > 0)
  const examined = [fileSource, ...given].map((source) => ({
    source,
    found: ServerConfig.examine(source.input, source.names)
  }))
  const names = new Map(others.flatMap((source) => [...source.names]))
  const whole = ServerConfig.examine(
    examined
      .map(({ found }) => found.input)
      .filter(isJsonObject)
      .reduce((base, input) => ServerConfig.merge(base, input), {}),
    names
  )
  const disagreements = ConfigErrors.problemsIn(whole.values).filter(({ comparesKeys }) => comparesKeys)

  const blamed = new Set<string>()
  const problems: Array<ConfigErrors.Problem> = []
  for (const { found, source } of examined) {
    const wrong = ConfigErrors.problemsIn(found.values).filter(({ comparesKeys }) => !comparesKeys)
    problems.push(...wrong.map(({ problem }) => problem), ...source.problems)
    const takesPart = disagreements.some(({ key }) =>
      isJsonObject(ConfigPath.valueAt(found.input, ConfigPath.groupOf(key)))
    )
    if (wrong.length + source.problems.length > 0 || takesPart) blamed.add(source.label)
  }
  problems.push(...disagreements.map(({ problem }) => problem))
  if (Result.isFailure(whole.values) || problems.length > 0) {
    return yield* ConfigErrors.invalid([...blamed].join(", "), problems)
  }

  return {
    values: whole.values.success,
    input: whole.input,
    warnings: examined.flatMap(({ found, source }) => found.warnings.map((warning) => `${source.label}: ${warning}`)),
    origins: originsOf(whole.values.success, examined[0]!.found.input, names),
    file,
    description:
      (file ?? `built-in defaults (no ./${DEFAULT_FILE})`) +
      (names.size === 0 ? "" : `, with ${[...names.values()].join(", ")}`)
  } satisfies Effective
})

/** The default file, unless there is none. One that cannot be looked at counts: reading it says why. */
const defaultFile = () =>
  statIfPresent(DEFAULT_FILE).then(
    (found) => found && DEFAULT_FILE,
    () => DEFAULT_FILE
  )

/**
 * The configuration that the server would run with.
 *
 * @returns fails with a `ConfigError` that lists what is wrong in the file, in the environment and in the flags
 */
export const load = Effect.fnUntraced(function* ({ environment, file: named, flags }: Sources) {
  const others = [environmentSource(environment), sourceOf("command line", flags)]
  const file = named ?? (yield* Effect.promise(defaultFile))
  if (file === undefined) return yield* combine(file, {}, others)
  const content = yield* Effect.result(ServerConfig.read(file))
  if (Result.isSuccess(content)) return yield* combine(file, content.success, others)
  // An unreadable file does not keep the other sources from being checked.
  const rest = yield* Effect.result(combine(file, {}, others))
  return yield* new ConfigErrors.ConfigError({
    ...content.failure,
    issues: [...content.failure.issues, ...(Result.isFailure(rest) ? rest.failure.issues : [])]
  })
})

/** A configuration of a program, over which variables `SUMMONER_<PATH>` win. `source`: names `content` in messages. Fails as `load` does. */
export const withEnvironment = (
  source: string,
  content: unknown,
  environment: Sources["environment"]
): Effect.Effect<Effective, ConfigErrors.ConfigError> => combine(source, content, [environmentSource(environment)])
