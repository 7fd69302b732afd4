/**
 * The schema of `server.json`: every key with its default, bounds and description. Durations are in the unit that their name ends in. They may
 * exceed the longest timer of the platform (2^31 - 1 ms), which Effect's clock handles and a bare `setTimeout` does not.
 */
import * as Schema from "effect/Schema"
import { defaultFormats, levels } from "./CurrentConfig.ts"
import { isLoopback, isNetwork, overlap, withoutHostBits } from "../net/IpNetwork.ts"
import {
  type Condition,
  defaultsOf,
  fixed,
  flag,
  format,
  group,
  host,
  listOf,
  live,
  matching,
  nullableFixed,
  oneOf,
  orNull,
  path,
  port,
  secret,
  text,
  whole
} from "./fields.ts"
import * as NatsUrl from "./NatsUrl.ts"

const NEVER_NEEDED: Condition = {}
const PYTHON: Condition = { version: "python" }
const NO_CONSOLE: Condition = { "logger.enable_console_log": false }
const NO_FILE: Condition = { "logger.enable_file_log": false }
const NO_IDLE_TIMEOUT: Condition = { "hyper_parameters.client_timeout_secs": null }
const NO_QUARANTINE: Condition = { "hyper_parameters.quarantine_cooldown_secs": 0 }
const NO_THROTTLE: Condition = { "hyper_parameters.backpressure_policy.enable_throttle": false }
const NO_FLOW_CONTROL: Condition = { "hyper_parameters.backpressure_policy.enable_flow_control": false }
const NO_DISCONNECT: Condition = { "hyper_parameters.backpressure_policy.enable_disconnect": false }
const NO_HISTORY: Condition = { "history.lines": 0 }
const NO_TLS: Condition = { "tls.cert": null }

const Logger = Schema.Struct({
  log_level: live(oneOf(levels), "DEBUG", "Least severe level that is logged."),
  enable_console_log: fixed(flag, true, "Log to standard output."),
  console_log_format: fixed(
    format,
    defaultFormats.console_log_format,
    "Console line, with the fields `%(asctime)s`, `%(name)s`, `%(levelname)s` and `%(message)s`. The colours of the default appear on a terminal only.",
    NO_CONSOLE,
    { "logger.enable_json_console": true }
  ),
  enable_json_console: fixed(flag, false, "Write each line of standard output as a JSON object.", NO_CONSOLE),
  enable_file_log: fixed(flag, false, "Log to a file, named after the server."),
  log_file_path: fixed(
    text,
    "",
    "Directory of the log file, created if missing. Empty: the working directory.",
    NO_FILE
  ),
  enable_json_log: fixed(flag, false, "Write each line of the log file as a JSON object."),
  log_format: fixed(format, defaultFormats.log_format, "Line of the log file.", NO_FILE, {
    "logger.enable_json_log": true
  }),
  date_format: fixed(
    format,
    defaultFormats.date_format,
    "`%(asctime)s`, in strftime notation; `%<n>f` is n digits of fraction. `iso` is ISO 8601 with the offset from UTC."
  ),
  max_file_size: fixed(whole(1), 1_000_000, "Bytes after which the log file is rotated.", NO_FILE, {
    "logger.backup_count": 0
  }),
  backup_count: fixed(whole(0), 3, "Rotated log files that are kept. 0 never rotates.", NO_FILE),
  log_keys: fixed(
    orNull(Schema.Array(text).annotate({ expected: "a list of strings" })),
    null,
    "Keys of a message's `_payload` and `_type` that are logged. `null` logs messages whole. What is relayed is never changed."
  )
})

const BackpressurePolicy = Schema.Struct({
  enable_throttle: live(flag, true, "Delay senders in a large room."),
  throttle_threshold: live(whole(1), 100, "Fan-out from which a sender is throttled.", NO_THROTTLE),
  enable_flow_control: live(flag, true, "Stop reading senders in a larger room for a while."),
  flow_control_threshold: live(whole(1), 300, "Fan-out from which a sender is paused.", NO_FLOW_CONTROL),
  enable_disconnect: live(flag, true, "Disconnect and quarantine senders in a room that is too large."),
  disconnect_threshold: live(whole(1), 500, "Fan-out from which a sender is disconnected.", NO_DISCONNECT)
})

const SlowConsumer = Schema.Struct({
  policy: live(oneOf(["disconnect", "drop_oldest", "drop_newest"]), "disconnect", "What happens at the hard limit."),
  soft_limit_bytes: live(whole(65_536), 1_048_576, "Backlog, in bytes, above which senders are paused for a client."),
  hard_limit_bytes: live(whole(65_536), 33_554_432, "Backlog, in bytes, that no client may exceed."),
  stall_grace_ms: live(whole(0), 100, "Milliseconds for which senders wait for a client. 0 waits for none."),
  eviction_grace_ms: live(
    whole(0),
    3000,
    'Milliseconds within which a client whose backlog is nearly full has to take 512 KiB; senders wait for it meanwhile. Only with the policy "disconnect". 0 waits for none.'
  )
}).check(
  Schema.makeFilter(({ hard_limit_bytes, soft_limit_bytes }) =>
    hard_limit_bytes >= soft_limit_bytes
      ? undefined
      : { path: ["hard_limit_bytes"], issue: `soft_limit_bytes (${soft_limit_bytes}) or more` }
  )
)

const networks = listOf(
  matching(
    'an IP address or a CIDR range such as "10.0.0.0/8"',
    "^[0-9A-Fa-f]*[.:][0-9A-Fa-f.:]*(/[0-9]{1,3})?$",
    "^(?:[1-9]\\.){3}[1-9](?:/32)?$",
    isNetwork
  ).annotate({
    hint: (value: unknown) => {
      const range = typeof value === "string" ? withoutHostBits(value) : undefined
      return range === undefined ? undefined : `host bits are set; did you mean ${range}?`
    }
  })
)

const unusedBuffer = (size: number) => fixed(whole(1), size, "Ignored: only existing files have it.", NEVER_NEEDED)

const HyperParameters = Schema.Struct({
  rate_limit_msgs_per_minute: live(whole(1), 300, "Lines that a client may send in 60 s.", PYTHON),
  rate_limit_scope: fixed(
    oneOf(["connection", "ip"]),
    "connection",
    "What the rate limit counts: each connection, or all connections of an IP address.",
    PYTHON
  ),
  client_timeout_secs: live(orNull(whole(1)), 300, "Seconds without a line that end a client. `null`: never.", PYTHON),
  timeout_check_interval_secs: live(whole(1), 30, "Seconds the idle timeout may come late.", PYTHON, NO_IDLE_TIMEOUT),
  quarantine_cooldown_secs: live(whole(0), 300, "Seconds a force-disconnected client is kept out. 0: none.", PYTHON),
  quarantine_cleanup_interval_secs: live(whole(1), 60, "Seconds between quarantine sweeps.", PYTHON, NO_QUARANTINE),
  quarantine_scope: fixed(
    oneOf(["ip", "address"]),
    "ip",
    "What is quarantined: the IP address, or ip:port, which never matches a reconnect.",
    PYTHON,
    NO_QUARANTINE
  ),
  throttle_delay_ms: live(
    whole(0),
    200,
    "Milliseconds a throttled sender waits for its next line.",
    PYTHON,
    NO_THROTTLE
  ),
  flow_control_delay_ms: live(whole(0), 1000, "Milliseconds a paused sender is not read.", PYTHON, NO_FLOW_CONTROL),
  accept_error_backoff_ms: live(whole(1), 100, "Milliseconds to wait after a failed accept."),
  worker_threads: fixed(whole(1), 1, "Relay threads that share the port and are one room, one for each core at most."),
  max_line_bytes: fixed(whole(256, 16_777_216), 65_536, "Longest envelope, in bytes. A longer one is dropped whole."),
  listen_backlog: fixed(whole(1, 65_535), 4096, "Connections that may wait to be accepted."),
  max_clients: live(whole(1), 100_000, "Clients that may be connected at once."),
  max_clients_per_ip: live(orNull(whole(1)), null, "Clients from one IP address at once. `null` sets no limit."),
  allow: live(orNull(networks), null, "Addresses that may connect. `null`: all."),
  deny: live(networks, [], "Addresses that may not connect, also if `allow` has them."),
  trusted_proxies: live(
    networks,
    [],
    "Addresses of load balancers. A connection from one must begin with a PROXY protocol header (version 1 or 2), which gives the address of the client."
  ),
  shutdown_grace_ms: live(whole(0), 2000, "Milliseconds for which a shutdown waits for clients that do not read."),
  connection_buffer_size: unusedBuffer(128),
  command_buffer_size: unusedBuffer(32),
  control_channel_capacity: unusedBuffer(8),
  queue_monitor_capacity: unusedBuffer(100),
  backpressure_policy: group(BackpressurePolicy, "What is done to senders whose messages reach many clients.", PYTHON),
  slow_consumer: group(SlowConsumer, "What is done about clients that read too slowly.")
})

/** The missing half of a certificate and its key. */
const halfOfPair = (group: string, cert: string | null, key: string | null) => {
  if (cert !== null && key === null) return { path: ["key"], issue: `the private key of ${group}.cert` }
  if (cert === null && key !== null) return { path: ["cert"], issue: `the certificate of ${group}.key` }
  return undefined
}

const Tls = Schema.Struct({
  cert: fixed(orNull(path), null, "Certificate, and those between it and its authority (PEM). Turns TLS on."),
  key: fixed(orNull(path), null, "Private key of the certificate (PEM)."),
  ca: fixed(
    orNull(path),
    null,
    "Certificates of the authorities that client certificates must come from (PEM).",
    NO_TLS,
    { "tls.request_client_cert": false }
  ),
  request_client_cert: fixed(
    Schema.Union([Schema.Boolean, Schema.Literal("optional")]).annotate({ expected: 'true, false or "optional"' }),
    false,
    'Whether clients need a certificate from `ca`. `"optional"`: they may have none, but not one from elsewhere.'
  ),
  min_version: fixed(oneOf(["TLSv1.2", "TLSv1.3"]), "TLSv1.2", "Oldest version of TLS that clients may speak.", NO_TLS)
}).check(
  Schema.makeFilter(({ ca, cert, key, request_client_cert }) => {
    const half = halfOfPair("tls", cert, key)
    if (half !== undefined) return half
    if (cert === null && request_client_cert !== false) return { path: ["cert"], issue: "a certificate: TLS is off" }
    if (request_client_cert !== false && ca === null) {
      return { path: ["ca"], issue: "the authorities that client certificates must come from" }
    }
    return undefined
  })
)

const Admin = Schema.Struct({
  host: fixed(host, "127.0.0.1", "Address to listen on."),
  port: fixed(orNull(port), null, "TCP port of health, metrics and dashboard. `null`: off; 0 takes a free one."),
  token: live(
    orNull(secret(matching("a text of visible ASCII characters without spaces", "^[!-~]+$", "^[!-~]{1,40}$"))),
    null,
    "Bearer token for actions, and for everything but health where `host` is not a loopback address. `null`: no actions."
  ),
  token_for_reading: live(
    flag,
    false,
    "Whether everything but health needs the token on a loopback address as well: for a proxy on the same machine."
  )
}).check(
  Schema.makeFilter(({ host, port, token, token_for_reading }) => {
    if (token !== null) return undefined
    if (token_for_reading) return { path: ["token"], issue: "a token, because admin.token_for_reading is true" }
    if (port === null || isLoopback(host)) return undefined
    return { path: ["token"], issue: `a token, because admin.host (${JSON.stringify(host)}) is no loopback address` }
  })
)

const httpUrl = matching(
  "an http or https URL",
  "^[Hh][Tt][Tt][Pp][Ss]?://.",
  "^https?://[a-z]{1,9}$",
  (url) => /^https?:\/\/./i.test(url) && URL.canParse(url)
)

const isOrigin = (text: string): boolean =>
  text === "*" || text === "null" || (URL.canParse(text) && new URL(text).origin === text)

const WebSocket = Schema.Struct({
  host: fixed(orNull(host), null, "Address to listen on. `null`: the `host` of the server."),
  port: fixed(orNull(port), null, "TCP port for WebSocket clients. `null`: off; 0 takes a free one."),
  path: fixed(
    matching('a path that begins with "/", without "?", "#" and spaces', "^/[^?#\\s]*$", "^/[a-z]{0,9}$"),
    "/",
    "Path of the URL that WebSocket clients connect to."
  ),
  origins: live(
    listOf(
      matching(
        'an origin such as "https://chat.example.com", "null" or "*"',
        "^(\\*|null|[a-z][a-z0-9+.-]*://[^/?#@\\sA-Z]+)$",
        "^https://[a-z]{1,9}$",
        isOrigin
      )
    ),
    [],
    'Web sites whose pages may connect. `"*"`: all. Programs that are no browsers send no origin and may always.'
  ),
  page: fixed(
    flag,
    false,
    "Whether the port serves a chat to browsers, on `path`. Pages from there may connect if they came by IP address or `localhost`; a name must be in `origins`."
  ),
  max_clients: live(orNull(whole(1)), null, "WebSocket clients at once. `null`: no limit of their own."),
  compression: fixed(
    Schema.Literals(["off", false]).annotate({ expected: '"off" or false' }),
    "off",
    "Messages are not compressed, whatever clients offer."
  )
})

const Otlp = Schema.Struct({
  endpoint: fixed(orNull(httpUrl), null, "OpenTelemetry collector (OTLP over HTTP, port 4318), for all signals.")
})

const natsUrl = (accepts: (text: string) => boolean) => matching(NatsUrl.EXPECTED, ".", "^nats://[a-z]{1,9}$", accepts)

const natsServers = Schema.Union([
  natsUrl((text) => NatsUrl.listOf(text).every(NatsUrl.isValid)),
  Schema.Array(natsUrl(NatsUrl.isValid)).check(Schema.isMinLength(1))
]).annotate({ expected: `${NatsUrl.EXPECTED}, or a list of such` })

const Nats = Schema.Struct({
  servers: fixed(
    orNull(natsServers).annotate({
      secret: (servers: string | ReadonlyArray<string> | null) =>
        NatsUrl.listOf(servers).some((url) => NatsUrl.accountOf(url) !== undefined)
    }),
    null,
    "NATS servers that connect this process with others to one room. `null`: it is a room of its own."
  ),
  subject: fixed(
    matching(
      "words between dots, without spaces, * and >",
      "^[^\\s.*>]+(\\.[^\\s.*>]+)*$",
      "^[a-z]{1,9}(\\.[a-z]{1,9})?$"
    ),
    "summoner.room",
    "Name of the room: processes with the same subject share one."
  ),
  credentials: fixed(orNull(path), null, "Credentials (`.creds`) for NATS servers that ask for them."),
  name: fixed(
    orNull(matching("a text of 1 to 64 ASCII characters", "^[ -~]{1,64}$", "^[ -~]{1,64}$")),
    null,
    "What other processes and NATS call this one. `null`: host name and process id."
  ),
  connect: fixed(oneOf(["wait", "fail"]), "wait", "What a start without NATS does: `wait` for it, or `fail`."),
  max_pending_bytes: fixed(
    whole(65_536),
    8_388_608,
    "Bytes that may wait for NATS. Above half of them senders wait as for a slow client; above all the oldest batch is dropped."
  ),
  tls: group(
    Schema.Struct({
      ca: fixed(orNull(path), null, "Certificates of the authorities that NATS servers' must come from (PEM)."),
      cert: fixed(orNull(path), null, "Certificate that NATS servers may ask for (PEM)."),
      key: fixed(orNull(path), null, "Private key of that certificate (PEM).")
    }).check(Schema.makeFilter(({ cert, key }) => halfOfPair("cluster.nats.tls", cert, key))),
    "Encryption on the way to NATS: required if one of these is set or a server's URL begins with `tls://`, else as the server wants it."
  )
}).check(
  Schema.makeFilter(({ servers }) => {
    const accounts = new Set(NatsUrl.listOf(servers).flatMap((url) => NatsUrl.accountOf(url) ?? []))
    return accounts.size > 1 ? { path: ["servers"], issue: "one user and password for all servers" } : undefined
  })
)

const Cluster = Schema.Struct({
  nats: group(Nats, "One room over several processes, by NATS.", { "cluster.nats.servers": null })
})

const History = Schema.Struct({
  lines: live(whole(0, 100_000), 0, "Lines that a client gets when it joins: the last of the room. 0 keeps none."),
  seconds: live(orNull(whole(1)), null, "Age in seconds at which lines are dropped. `null`: no limit.", NO_HISTORY),
  bytes: live(whole(1024, 16_777_216), 262_144, "Bytes kept, and sent, at most; within `soft_limit_bytes`.", NO_HISTORY)
})

/** A complete configuration, with every default filled in. */
export interface Values extends Schema.Schema.Type<typeof Values> {}

/** The schema of a complete configuration. */
export const Values = Schema.Struct({
  $schema: Schema.optionalKey(text.annotate({ description: "For editors; ignored." })),
  host: nullableFixed(host, "127.0.0.1", "Address to listen on."),
  port: nullableFixed(port, 8888, "TCP port to listen on. 0 takes a free one, which the log names."),
  version: fixed(
    Schema.Union([Schema.Literals(["rust", "python"]), Schema.TemplateLiteral(["rust_v", text])]).annotate({
      expected: '"rust", "python" or a name that begins with "rust_v"'
    }),
    "rust",
    "Profile: everything on (`rust`), or the plain relay (`python`)."
  ),
  logger: group(Logger, "What is logged, where and how.", { ...NO_CONSOLE, ...NO_FILE }),
  hyper_parameters: group(HyperParameters, "Limits and protection."),
  history: group(History, "The last lines of the room, for clients that join late.", NO_HISTORY),
  tls: group(Tls, "Encryption of the relay's own port."),
  websocket: group(WebSocket, "Clients that speak WebSocket, in the same room.", { "websocket.port": null }),
  admin: group(Admin, "Health, metrics, dashboard and actions for operators.", { "admin.port": null }),
  otlp: group(Otlp, "Export to OpenTelemetry."),
  cluster: group(Cluster, "Other processes of the same room.")
}).check(
  Schema.makeFilter(({ admin, host, port, websocket }) => {
    const listeners = [
      { path: ["port"], host, port },
      { path: ["websocket", "port"], host: websocket.host ?? host, port: websocket.port },
      { path: ["admin", "port"], host: admin.host, port: admin.port }
    ]
    for (const [i, { host, path, port }] of listeners.entries()) {
      if (port === null || port === 0) continue
      const taken = listeners.slice(0, i).find((other) => other.port === port && overlap(other.host, host))
      if (taken !== undefined) {
        return { path, issue: `another one than ${taken.path.join(".")} on the same host` }
      }
    }
    return undefined
  })
)

/** A configuration as a file has it: a key that is left out has its default. */
export interface Written extends Schema.Codec.Encoded<typeof Values> {}

/** What an empty `server.json` means. */
export const defaults: Values = defaultsOf(Values)
