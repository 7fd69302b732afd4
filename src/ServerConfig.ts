/**
 * `server.json`: its schema with every default and bound, reading it, and saying everything that is wrong with it.
 *
 * Names and grouping are those of the file. Durations are in the unit their name ends in, and may be longer than one timer
 * of the platform can wait (2^31 - 1 ms): Effect's clock takes them as they are, whoever calls `setTimeout` must cap them.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaGetter from "effect/SchemaGetter"
import { readFile } from "node:fs/promises"
import * as ConfigReport from "./ConfigReport.ts"

export { ConfigError } from "./ConfigReport.ts"

const text = Schema.String.annotate({ expected: "a string" })

const flag = Schema.Boolean.annotate({ expected: "true or false" })

const whole = (minimum: number, maximum?: number) =>
  maximum === undefined
    ? Schema.Int.check(Schema.isGreaterThanOrEqualTo(minimum)).annotate({
        expected: `a whole number, ${minimum} or more`
      })
    : Schema.Int.check(Schema.isBetween({ minimum, maximum })).annotate({
        expected: `a whole number from ${minimum} to ${maximum}`
      })

const oneOf = <const L extends ReadonlyArray<string>>(literals: L) =>
  Schema.Literals(literals).annotate({
    expected: `one of ${literals.map((literal) => JSON.stringify(literal)).join(", ")}`
  })

const orNull = <T>(schema: Schema.Codec<T>, expected: string) =>
  Schema.NullOr(schema).annotate({ expected: `null or ${expected}` })

/** A key that the file may leave out. */
const key = <T, E>(schema: Schema.Codec<T, E>, defaultValue: T, description: string) =>
  schema
    .annotate({ default: defaultValue, description })
    .pipe(Schema.withDecodingDefaultTypeKey<Schema.Codec<T, E>>(Effect.succeed(defaultValue)))

/**
 * A key that the file may leave out or set to `null`, which both mean the default.
 *
 * @param written the default, as one would write it in a file
 */
const nullableKey = <T, E>(
  schema: Schema.Codec<T, E>,
  defaultValue: T,
  description: string,
  written: unknown = defaultValue
) =>
  Schema.toType(schema.annotate({ default: defaultValue, description })).pipe(
    Schema.encodeTo(Schema.optionalKey(Schema.NullOr(schema).annotate({ default: written as never, description })), {
      decode: SchemaGetter.transformOptional((value: Option.Option<T | null>) =>
        Option.some(Option.match(value, { onNone: () => defaultValue, onSome: (given) => given ?? defaultValue }))
      ),
      encode: SchemaGetter.passthroughSubtype<T | null, T>()
    })
  )

/** A group of keys, each with its own default. */
const group = <T, E>(schema: Schema.Codec<T, E>, description: string) =>
  nullableKey(schema.annotate({ expected: "an object" }), Schema.decodeUnknownSync(schema)({}), description, {})

const LOG_LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] as const

const Logger = Schema.Struct({
  log_level: key(oneOf(LOG_LEVELS), "DEBUG", "Least severe level that is logged."),
  enable_console_log: key(flag, true, "Log to standard output."),
  console_log_format: key(
    text,
    "\u001b[92m%(asctime)s\u001b[0m - \u001b[94m%(name)s\u001b[0m - %(levelname)s - %(message)s",
    "Console line, with the fields `%(asctime)s`, `%(name)s`, `%(levelname)s` and `%(message)s`. The colours of the default appear on a terminal only."
  ),
  enable_file_log: key(flag, false, "Log to a file, named after the server."),
  log_file_path: key(text, "", "Directory of the log file, created when missing. Empty is the working directory."),
  enable_json_log: key(flag, false, "Write each line of the log file as a JSON object."),
  log_format: key(text, "%(asctime)s - %(name)s - %(levelname)s - %(message)s", "Line of the log file."),
  date_format: key(
    text,
    "%Y-%m-%d %H:%M:%S.%3f",
    "`%(asctime)s`, in strftime notation; `%<n>f` is n digits of fraction."
  ),
  max_file_size: key(whole(1), 1_000_000, "Bytes after which the log file is rotated."),
  backup_count: key(whole(0), 3, "Rotated log files that are kept. 0 never rotates."),
  log_keys: key(
    orNull(Schema.Array(text), "a list of strings"),
    null,
    "Keys of a message's `_payload` and `_type` that are logged. `null` logs messages whole. What is relayed is never changed."
  )
})

const BackpressurePolicy = Schema.Struct({
  enable_throttle: key(flag, true, "Delay senders in a large room."),
  throttle_threshold: key(whole(1), 100, "Fan-out from which a sender is throttled."),
  enable_flow_control: key(flag, true, "Stop reading senders in a larger room for a while."),
  flow_control_threshold: key(whole(1), 300, "Fan-out from which a sender is paused."),
  enable_disconnect: key(flag, true, "Disconnect and quarantine senders in a room that is too large."),
  disconnect_threshold: key(whole(1), 500, "Fan-out from which a sender is disconnected.")
})

const SlowConsumer = Schema.Struct({
  policy: key(
    oneOf(["disconnect", "drop_oldest", "drop_newest"]),
    "disconnect",
    "What happens to a client whose backlog reaches the hard limit."
  ),
  soft_limit_bytes: key(whole(65_536), 1_048_576, "Backlog, in bytes, above which senders are paused for a client."),
  hard_limit_bytes: key(
    whole(65_536),
    16_777_216,
    "Backlog, in bytes, that no client may exceed. Not below `soft_limit_bytes`."
  ),
  stall_grace_ms: key(whole(0), 100, "Milliseconds for which senders wait for a client. 0 waits for none.")
}).check(
  Schema.makeFilter(({ hard_limit_bytes, soft_limit_bytes }) =>
    hard_limit_bytes >= soft_limit_bytes
      ? undefined
      : { path: ["hard_limit_bytes"], issue: `soft_limit_bytes (${soft_limit_bytes}) or more` }
  )
)

const UNUSED_BUFFER = "Accepted for the sake of existing files; nothing here needs it."

const HyperParameters = Schema.Struct({
  rate_limit_msgs_per_minute: key(whole(1), 300, "Lines that a client may send in 60 s."),
  rate_limit_scope: key(
    oneOf(["connection", "ip"]),
    "connection",
    "What the rate limit counts: each connection, or all connections of an IP address."
  ),
  client_timeout_secs: key(
    orNull(whole(1), "a whole number, 1 or more"),
    300,
    "Seconds without a complete line after which a client is closed. `null` turns it off."
  ),
  timeout_check_interval_secs: key(whole(1), 30, "Seconds by which the idle timeout may come late."),
  quarantine_cooldown_secs: key(
    whole(0),
    300,
    "Seconds for which a client that was force-disconnected cannot come back. 0 turns it off."
  ),
  quarantine_cleanup_interval_secs: key(whole(1), 60, "Seconds between two sweeps of expired quarantines."),
  quarantine_scope: key(
    oneOf(["ip", "address"]),
    "ip",
    "What is quarantined: the IP address, or ip:port, which never matches a reconnect."
  ),
  throttle_delay_ms: key(whole(0), 200, "Milliseconds that a throttled sender waits before its next line."),
  flow_control_delay_ms: key(whole(0), 1000, "Milliseconds for which a paused sender is not read."),
  accept_error_backoff_ms: key(whole(1), 100, "Milliseconds to wait after a failed accept."),
  worker_threads: key(whole(1), 1, "Accepted for the sake of existing files; this server runs in one process."),
  max_line_bytes: key(
    whole(256, 16_777_216),
    65_536,
    "Longest line, in bytes of its envelope with the newline. A longer one is dropped whole."
  ),
  listen_backlog: key(whole(1, 65_535), 4096, "Connections that may wait to be accepted."),
  max_clients: key(whole(1), 100_000, "Clients that may be connected at once."),
  max_clients_per_ip: key(
    orNull(whole(1), "a whole number, 1 or more"),
    null,
    "Clients that may be connected at once from one IP address. `null` sets no limit."
  ),
  shutdown_grace_ms: key(whole(0), 2000, "Milliseconds for which a shutdown waits for clients that do not read."),
  connection_buffer_size: key(whole(1), 128, UNUSED_BUFFER),
  command_buffer_size: key(whole(1), 32, UNUSED_BUFFER),
  control_channel_capacity: key(whole(1), 8, UNUSED_BUFFER),
  queue_monitor_capacity: key(whole(1), 100, UNUSED_BUFFER),
  backpressure_policy: group(BackpressurePolicy, "What is done to senders when a message would reach many clients."),
  slow_consumer: group(SlowConsumer, "What is done about clients that read too slowly.")
})

/** A complete configuration: what a `server.json` means once every default is filled in. */
export interface Values extends Schema.Schema.Type<typeof Values> {}

export const Values = Schema.Struct({
  $schema: Schema.optionalKey(text.annotate({ description: "For editors; ignored." })),
  host: nullableKey(
    Schema.NonEmptyString.annotate({ expected: "a host name or an IP address" }),
    "127.0.0.1",
    "Address to listen on."
  ),
  port: nullableKey(whole(0, 65_535), 8888, "TCP port to listen on. 0 takes a free one, which the log names."),
  version: key(
    Schema.Union([Schema.Literals(["rust", "python"]), Schema.TemplateLiteral(["rust_v", Schema.String])]).annotate({
      expected: '"rust", "python" or a name that begins with "rust_v"'
    }),
    "rust",
    "Profile: everything on (`rust`), or the plain relay (`python`)."
  ),
  logger: group(Logger, "What is logged, where and how."),
  hyper_parameters: group(HyperParameters, "Limits and protection.")
})

/** What an empty `server.json` means. */
export const defaults: Values = Schema.decodeSync(Values)({})

/**
 * The profile that a `version` stands for (contract, section 2; seed, "two interchangeable backends").
 *
 * @returns `"rust"` with every protection, `"python"` for the plain relay
 */
export const profileOf = (version: Values["version"]): "rust" | "python" => (version === "python" ? "python" : "rust")

/** One key of `server.json`, or one group of keys, as reports and the documentation show it. */
export interface Key {
  /** `hyper_parameters.slow_consumer.policy` */
  readonly path: string
  readonly isGroup: boolean
  /** Whether its values are strings. */
  readonly isText: boolean
  readonly expected: string
  /** `undefined` for a key that is ignored. */
  readonly default: unknown
  readonly description: string
}

const isText = (ast: SchemaAST.AST): boolean =>
  SchemaAST.isUnion(ast)
    ? ast.types.every(isText)
    : SchemaAST.isString(ast) ||
      SchemaAST.isTemplateLiteral(ast) ||
      (SchemaAST.isLiteral(ast) && typeof ast.literal === "string")

const keysOf = (ast: SchemaAST.AST, prefix: string): ReadonlyArray<Key> =>
  SchemaAST.isObjects(ast)
    ? ast.propertySignatures.flatMap(({ name, type }) => {
        const path = prefix + String(name)
        const annotations = SchemaAST.resolve(type)
        return [
          {
            path,
            isGroup: SchemaAST.isObjects(type),
            isText: isText(type),
            expected: String(annotations?.["expected"]),
            default: annotations?.["default"],
            description: String(annotations?.["description"])
          },
          ...keysOf(type, `${path}.`)
        ]
      })
    : []

/** Every key and group that `server.json` may have, in the order of the schema. */
export const keys = (): ReadonlyArray<Key> => keysOf(Values.ast, "")

/** A configuration, and what its author should change although it works. */
export interface Loaded {
  readonly values: Values
  /** One line each, beginning with the source. */
  readonly warnings: ReadonlyArray<string>
}

type JsonObject = { [name: string]: unknown }

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Options that a program sets to `undefined` are options that it leaves out. */
const withoutUndefined = (value: unknown): unknown =>
  isObject(value)
    ? Object.fromEntries(
        Object.entries(value).flatMap(([name, inner]) => (inner === undefined ? [] : [[name, withoutUndefined(inner)]]))
      )
    : value

/**
 * Brings the older forms that files in the field still have into the present one.
 *
 * @param names where a key stands, if not at its own path
 * @returns a copy of the input, a warning for each older form, and `names` with the keys that were moved
 */
const modernize = (input: unknown, names: ReadonlyMap<string, string>) => {
  const value = withoutUndefined(input)
  const warnings: Array<string> = []
  const origins = new Map(names)
  const nameOf = (path: string) => names.get(path) ?? path
  if (!isObject(value)) return { value, warnings, origins }

  const { hyper_parameters: hyperParameters, logger } = value
  if (isObject(hyperParameters)) {
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
  if (isObject(logger)) {
    if (logger["log_keys"] === "") {
      logger["log_keys"] = null
      warnings.push(`${nameOf("logger.log_keys")}: "" is an older form: write null`)
    }
    const given = logger["log_level"]
    if (typeof given === "string") {
      const level = given.toUpperCase() === "WARN" ? "WARNING" : given.toUpperCase()
      if (level !== given && LOG_LEVELS.some((known) => known === level)) {
        logger["log_level"] = level
        warnings.push(`${nameOf("logger.log_level")}: ${JSON.stringify(given)} is an older form: write "${level}"`)
      }
    }
  }
  return { value, warnings, origins }
}

const decodeValues = Schema.decodeUnknownResult(Values, { errors: "all", onExcessProperty: "error" })

const NO_NAMES: ReadonlyMap<string, string> = new Map()

/** What there is to say about a configuration, or about a part of one. */
export interface Examined {
  /** The input, in present forms only. */
  readonly input: unknown
  /** One for each older form. */
  readonly warnings: ReadonlyArray<string>
  /** With every default, or everything that is wrong. */
  readonly values: Result.Result<Values, ReadonlyArray<ConfigReport.KeyProblem>>
}

/**
 * Checks a configuration and fills in its defaults, as `decode` does, for whoever puts one together from several sources.
 *
 * @param names what messages call a key, if not by its path: the variable or the flag that set it
 */
export const examine = (input: unknown, names = NO_NAMES): Examined => {
  const { value, warnings, origins } = modernize(input, names)
  const values = Result.mapError(decodeValues(value), ({ issue }) =>
    ConfigReport.problems({ issue, input: value, known: keys(), origins })
  )
  return { input: value, warnings, values }
}

/**
 * Checks a configuration and fills in its defaults (contract, section 4).
 *
 * @param input what `JSON.parse` made of a `server.json`, or the same from a program
 * @param source names it in messages: a path, `configDict`
 * @returns fails with a `ConfigError` that lists every problem
 */
export const decode = Effect.fnUntraced(function* (input: unknown, source: string) {
  const examined = examine(input)
  const values = yield* Effect.fromResult(examined.values).pipe(
    Effect.mapError((problems) =>
      ConfigReport.invalid(
        source,
        problems.map(({ problem }) => problem)
      )
    )
  )
  return { values, warnings: examined.warnings.map((warning) => `${source}: ${warning}`) } satisfies Loaded
})

/**
 * Reads a file as JSON, whatever is in it.
 *
 * @param path of the file, which is UTF-8 with or without a byte order mark
 * @returns fails with a `ConfigError`: unreadable, or no JSON (with line and column)
 */
export const read = Effect.fnUntraced(function* (path: string) {
  const text = yield* Effect.tryPromise({
    try: async () => new TextDecoder("utf-8", { fatal: true }).decode(await readFile(path)),
    catch: (cause) => ConfigReport.unreadable(path, cause)
  })
  return yield* Effect.try({
    try: (): unknown => JSON.parse(text),
    catch: () => ConfigReport.notJson(path, text)
  })
})

/**
 * Reads a `server.json` (contract, section 4).
 *
 * @param path of the file, which is UTF-8 with or without a byte order mark
 * @returns fails with a `ConfigError`: unreadable, no JSON (with line and column), or every wrong key at once
 */
export const load = Effect.fnUntraced(function* (path: string) {
  return yield* decode(yield* read(path), path)
})

type DeepPartial<T> = {
  readonly [K in keyof T]?: T[K] extends object
    ? T[K] extends ReadonlyArray<unknown>
      ? T[K]
      : DeepPartial<T[K]>
    : T[K]
}

/** A configuration with another laid over it, key by key. Lists are replaced whole. */
export const merge = (base: object, overrides: object): object => {
  const merged: JsonObject = { ...base }
  for (const [name, value] of Object.entries(overrides)) {
    const inherited = merged[name]
    merged[name] = isObject(inherited) && isObject(value) ? merge(inherited, value) : value
  }
  return merged
}

const fromLoaded = Effect.fnUntraced(function* (loaded: Effect.Effect<Loaded, ConfigReport.ConfigError>) {
  const { values, warnings } = yield* loaded
  yield* Effect.forEach(warnings, (warning) => Effect.logWarning(warning), { discard: true })
  return values
})

/** The configuration of this server (contract, section 4; seed, "configuration guide"). */
export class ServerConfig extends Context.Service<ServerConfig, Values>()("summoner-server/ServerConfig") {
  /** A configuration that is already complete. */
  static readonly layer = (values: Values) => Layer.succeed(ServerConfig, values)

  /** The configuration in a file. Logs its warnings. Fails as `load` does. */
  static readonly layerFile = (path: string) => Layer.effect(ServerConfig, fromLoaded(load(path)))

  /**
   * A configuration given by a program, in the form of a `server.json`. Logs its warnings. Fails as `decode` does.
   *
   * @param source names it in messages
   */
  static readonly layerValue = (value: unknown, source = "configuration") =>
    Layer.effect(ServerConfig, fromLoaded(decode(value, source)))

  /** For tests: the defaults, except as given. Checks no bounds. */
  static readonly layerTest = (overrides: DeepPartial<Values> = {}) =>
    ServerConfig.layer(merge(defaults, overrides) as Values)
}
