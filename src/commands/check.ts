import * as Arr from "effect/Array"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { statSync } from "node:fs"
import * as NatsFiles from "../bus/NatsFiles.ts"
import * as ConfigErrors from "../config/ConfigError.ts"
import * as ConfigPath from "../config/ConfigPath.ts"
import * as ConfigSources from "../config/ConfigSources.ts"
import { show } from "../config/redact.ts"
import * as ServerConfig from "../config/ServerConfig.ts"
import { escapeJson } from "../internal/escape.ts"
import * as TlsIdentity from "../transport/tls/TlsIdentity.ts"
import { threadCount } from "../threads/threadCount.ts"
import { configFlags, loadConfig } from "./ConfigFlags.ts"

/** A key that somebody set to no effect. */
interface Note {
  readonly path: string
  readonly reason: string
}

const BUFFERS = ["connection_buffer_size", "command_buffer_size", "control_channel_capacity", "queue_monitor_capacity"]

/** What the Python profile leaves out. */
const PROTECTIONS = [
  "rate_limit_msgs_per_minute",
  "rate_limit_scope",
  "client_timeout_secs",
  "timeout_check_interval_secs",
  "quarantine_cooldown_secs",
  "quarantine_cleanup_interval_secs",
  "quarantine_scope",
  "throttle_delay_ms",
  "flow_control_delay_ms",
  "backpressure_policy.enable_throttle",
  "backpressure_policy.throttle_threshold",
  "backpressure_policy.enable_flow_control",
  "backpressure_policy.flow_control_threshold",
  "backpressure_policy.enable_disconnect",
  "backpressure_policy.disconnect_threshold"
]

const hyper = (...names: ReadonlyArray<string>) => names.map((name) => `hyper_parameters.${name}`)

const log = (...names: ReadonlyArray<string>) => names.map((name) => `logger.${name}`)

/** Which keys have no effect under which condition, and why. The first reason for a key is the one that is told. */
const withoutEffect = ({ admin, cluster, hyper_parameters, logger, tls, version, websocket }: ServerConfig.Values) => {
  const { backpressure_policy: policy } = hyper_parameters
  const rules: ReadonlyArray<readonly [applies: boolean, reason: string, paths: ReadonlyArray<string>]> = [
    [true, "nothing in this server needs it", hyper(...BUFFERS)],
    [ServerConfig.profileOf(version) === "python", 'version "python" relays without protection', hyper(...PROTECTIONS)],
    [
      !policy.enable_throttle,
      "enable_throttle is false",
      hyper("backpressure_policy.throttle_threshold", "throttle_delay_ms")
    ],
    [
      !policy.enable_flow_control,
      "enable_flow_control is false",
      hyper("backpressure_policy.flow_control_threshold", "flow_control_delay_ms")
    ],
    [!policy.enable_disconnect, "enable_disconnect is false", hyper("backpressure_policy.disconnect_threshold")],
    [
      hyper_parameters.client_timeout_secs === null,
      "client_timeout_secs is null",
      hyper("timeout_check_interval_secs")
    ],
    [
      hyper_parameters.quarantine_cooldown_secs === 0,
      "quarantine_cooldown_secs is 0",
      hyper("quarantine_cleanup_interval_secs", "quarantine_scope")
    ],
    [!logger.enable_console_log, "enable_console_log is false", log("console_log_format")],
    [
      !logger.enable_file_log,
      "enable_file_log is false",
      log("log_file_path", "log_format", "max_file_size", "backup_count")
    ],
    [tls.cert === null, "tls.cert is null", ["tls.min_version", "tls.ca"]],
    [tls.request_client_cert === false, "request_client_cert is false", ["tls.ca"]],
    [
      websocket.port === null,
      "websocket.port is null",
      ["host", "path", "origins", "max_clients"].map((name) => `websocket.${name}`)
    ],
    [admin.port === null, "admin.port is null", ["admin.host", "admin.token"]],
    [
      cluster.nats.servers === null,
      "cluster.nats.servers is null",
      ServerConfig.keys().flatMap(({ isGroup, path }) => (!isGroup && path.startsWith("cluster.nats.") ? path : []))
    ],
    [logger.enable_json_log, "enable_json_log is true", log("log_format")],
    [logger.backup_count === 0, "backup_count is 0", log("max_file_size")],
    [
      !logger.enable_console_log && !logger.enable_file_log,
      "neither the console nor a file is logged to",
      log("log_level", "date_format", "log_keys", "enable_json_log")
    ]
  ]
  return rules.flatMap(([applies, reason, paths]) => (applies ? paths.map((path) => ({ path, reason })) : []))
}

const notesOn = ({ origins, values }: ConfigSources.Effective): ReadonlyArray<Note> => {
  const reasons = new Map<string, string>()
  for (const { path, reason } of withoutEffect(values)) {
    if (origins.get(path) !== "default" && !reasons.has(path)) reasons.set(path, reason)
  }
  return [...reasons].map(([path, reason]) => ({ path, reason }))
}

const isConcealed = (key: ServerConfig.Key, value: unknown): boolean =>
  JSON.stringify(ServerConfig.shown(key, value)) !== JSON.stringify(value)

const OTHERS_MAY_READ = 0o004

/**
 * Secrets in a file that every user of the machine can read. Only said by `check`: where configurations are mounted, as in
 * containers, it is so by design, and a server that said it at every start would not be listened to.
 */
const exposed = ({ file, origins, values }: ConfigSources.Effective): ReadonlyArray<string> => {
  if (file === undefined || process.platform === "win32" || (statSync(file).mode & OTHERS_MAY_READ) === 0) return []
  const secrets = ServerConfig.keys().filter((key) => {
    const value = ConfigPath.valueAt(values, key.path)
    return !key.isGroup && origins.get(key.path) === "file" && isConcealed(key, value)
  })
  return secrets.map(({ path }) => `${file}: every user of this machine can read ${path} in it: chmod o-r ${file}`)
}

/** A longer value pushes the origin in its own line aside, not in all the others. */
const MAX_VALUE_WIDTH = 32

/** One line a key, aligned within its group. */
const table = ({ file, origins, values }: ConfigSources.Effective): string => {
  const rows = [...origins].map(([path, origin]) => ({
    path,
    value: show(ConfigPath.valueAt(values, path)),
    origin: origin === "file" ? file! : origin
  }))
  return Object.values(Arr.groupBy(rows, ({ path }) => ConfigPath.groupOf(path)))
    .map((group) => {
      const pathWidth = Math.max(...group.map(({ path }) => path.length))
      const valueWidth = Math.min(Math.max(...group.map(({ value }) => value.length)), MAX_VALUE_WIDTH)
      return group
        .map(({ origin, path, value }) => `${path.padEnd(pathWidth)}  ${value.padEnd(valueWidth)}  ${origin}`)
        .join("\n")
    })
    .join("\n\n")
}

const report = (effective: ConfigSources.Effective): string =>
  [
    `configuration: ${effective.description}`,
    "",
    table(effective),
    ...effective.warnings.map((warning) => `\nwarning: ${warning}`),
    ...notesOn(effective).map(({ path, reason }) => `\nnote: ${path} has no effect: ${reason}`)
  ].join("\n")

const print = (value: unknown) => Console.log(JSON.stringify(value, null, 2).split("\n").map(escapeJson).join("\n"))

/** Shows what the server would run with, or everything that keeps it from running. */
export const check = Command.make(
  "check",
  {
    ...configFlags,
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Print a JSON object, also when there are problems"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* ({ json, ...flags }) {
    const loaded = loadConfig(flags).pipe(
      // The server reads its files before it listens, and so does this.
      Effect.tap(({ description, values }) =>
        Effect.catchTag(TlsIdentity.load(values.tls), "TlsError", ({ issues }) =>
          Effect.fail(ConfigErrors.invalid(description, issues))
        )
      ),
      Effect.tap(({ description, values: { cluster } }) =>
        NatsFiles.load(cluster.nats).pipe(
          Effect.mapError((problems) => ConfigErrors.invalid(description, problems)),
          Effect.when(Effect.sync(() => cluster.nats.servers !== null))
        )
      )
    )
    const complete = yield* json
      ? Effect.tapError(loaded, ({ issues, source, summary }) =>
          print({ valid: false, source, summary, problems: issues })
        )
      : loaded
    const { remark } = yield* Effect.provideService(threadCount, ServerConfig.ServerConfig, complete.values)
    const effective = {
      ...complete,
      values: ServerConfig.withoutSecrets(complete.values),
      warnings: [...complete.warnings, ...exposed(complete), ...(remark === undefined ? [] : [remark])]
    }
    if (!json) return yield* Console.log(report(effective))
    const { file = null, origins, values, warnings } = effective
    yield* print({
      valid: true,
      file,
      values,
      origins: Object.fromEntries(origins),
      warnings,
      notes: notesOn(effective)
    })
  })
).pipe(
  Command.withDescription(
    "Prints the configuration that the server would run with and where each value comes from, or every problem in it. It takes the flags of the server."
  ),
  Command.withShortDescription("Print the effective configuration, or its problems"),
  Command.withExamples([
    { command: "summoner-server check", description: "What ./server.json and the environment make" },
    { command: "summoner-server check --config prod.json --port 9000", description: "What those flags would make" }
  ])
)
