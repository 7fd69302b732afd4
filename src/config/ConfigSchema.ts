/**
 * The schema of `server.json`: every key with its default, bounds and description.
 *
 * Names and grouping are those of the file. Durations are in the unit their name ends in, and may be longer than one timer
 * of the platform can wait (2^31 - 1 ms): Effect's clock takes them as they are, whoever calls `setTimeout` must cap them.
 */
import * as Schema from "effect/Schema"
import * as LogFormat from "../logging/LogFormat.ts"
import { isLoopback, isNetwork, overlap } from "../net/IpNetwork.ts"
import { flag, form, group, key, nullableKey, oneOf, orNull, path, text, whole } from "./fields.ts"
import * as NatsUrl from "./NatsUrl.ts"

const Logger = Schema.Struct({
  log_level: key(oneOf(LogFormat.levels), "DEBUG", "Least severe level that is logged."),
  enable_console_log: key(flag, true, "Log to standard output."),
  console_log_format: key(
    text,
    LogFormat.defaultConsoleFormat,
    "Console line, with the fields `%(asctime)s`, `%(name)s`, `%(levelname)s` and `%(message)s`. The colours of the default appear on a terminal only."
  ),
  enable_file_log: key(flag, false, "Log to a file, named after the server."),
  log_file_path: key(text, "", "Directory of the log file, created when missing. Empty is the working directory."),
  enable_json_log: key(flag, false, "Write each line of the log file as a JSON object."),
  log_format: key(text, LogFormat.defaultFileFormat, "Line of the log file."),
  date_format: key(
    text,
    LogFormat.defaultDateFormat,
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
    33_554_432,
    "Backlog, in bytes, that no client may exceed. Not below `soft_limit_bytes`."
  ),
  stall_grace_ms: key(whole(0), 100, "Milliseconds for which senders wait for a client. 0 waits for none."),
  eviction_grace_ms: key(
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

const NETWORK = 'an IP address or a CIDR range such as "10.0.0.0/8"'

const networkList = Schema.Array(
  text
    .check(form(isNetwork, "^[0-9A-Fa-f]*[.:][0-9A-Fa-f.:]*(/[0-9]{1,3})?$", "^(?:[1-9]\\.){3}[1-9](?:/32)?$"))
    .annotate({ expected: NETWORK })
).annotate({ expected: `a list: each ${NETWORK}` })

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
  worker_threads: key(whole(1), 1, "Relay threads that share the port and are one room, one for each core at most."),
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
  allow: key(orNull(networkList, `a list: each ${NETWORK}`), null, "Addresses that may connect. `null`: all."),
  deny: key(networkList, [], "Addresses that may not connect, also if `allow` has them."),
  trusted_proxies: key(
    networkList,
    [],
    "Addresses of load balancers: whoever connects from one must begin with a PROXY protocol header (version 1 or 2), and is known by the address in it."
  ),
  shutdown_grace_ms: key(whole(0), 2000, "Milliseconds for which a shutdown waits for clients that do not read."),
  connection_buffer_size: key(whole(1), 128, UNUSED_BUFFER),
  command_buffer_size: key(whole(1), 32, UNUSED_BUFFER),
  control_channel_capacity: key(whole(1), 8, UNUSED_BUFFER),
  queue_monitor_capacity: key(whole(1), 100, UNUSED_BUFFER),
  backpressure_policy: group(BackpressurePolicy, "What is done to senders when a message would reach many clients."),
  slow_consumer: group(SlowConsumer, "What is done about clients that read too slowly.")
})

/** What a certificate without a key lacks, or a key without a certificate. */
const halfOfPair = (group: string, cert: string | null, key: string | null) => {
  if (cert !== null && key === null) return { path: ["key"], issue: `the private key of ${group}.cert` }
  if (cert === null && key !== null) return { path: ["cert"], issue: `the certificate of ${group}.key` }
  return undefined
}

const Tls = Schema.Struct({
  cert: key(
    orNull(path, "a file name"),
    null,
    "Certificate, and those between it and its authority (PEM). Turns TLS on."
  ),
  key: key(orNull(path, "a file name"), null, "Private key of the certificate (PEM)."),
  ca: key(
    orNull(path, "a file name"),
    null,
    "Certificates of the authorities that client certificates must come from (PEM)."
  ),
  request_client_cert: key(
    Schema.Union([Schema.Boolean, Schema.Literal("optional")]).annotate({ expected: 'true, false or "optional"' }),
    false,
    'Whether clients need a certificate from `ca`. `"optional"`: they may have none, but not one from elsewhere.'
  ),
  min_version: key(oneOf(["TLSv1.2", "TLSv1.3"]), "TLSv1.2", "Oldest version of TLS that clients may speak.")
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
  host: key(
    Schema.NonEmptyString.annotate({ expected: "a host name or an IP address" }),
    "127.0.0.1",
    "Address to listen on."
  ),
  port: key(
    orNull(whole(0, 65_535), "a whole number from 0 to 65535"),
    null,
    "TCP port of health, metrics and dashboard. `null` turns them off; 0 takes a free one, which the log names."
  ),
  token: key(
    orNull(
      Schema.String.check(form((token) => /^[!-~]+$/.test(token), "^[!-~]+$", "^[!-~]{1,40}$")),
      "a text of visible ASCII characters without spaces"
    ).annotate({ secret: true }),
    null,
    "Bearer token for actions, and for everything but health where `host` is not a loopback address. `null`: no actions."
  )
}).check(
  Schema.makeFilter(({ host, port, token }) =>
    port === null || token !== null || isLoopback(host)
      ? undefined
      : { path: ["token"], issue: `a token, because admin.host (${JSON.stringify(host)}) is no loopback address` }
  )
)

const httpUrl = Schema.String.check(
  form((url) => /^https?:\/\/./i.test(url) && URL.canParse(url), "^[Hh][Tt][Tt][Pp][Ss]?://.", "^https?://[a-z]{1,9}$")
)

const ORIGIN = 'an origin such as "https://chat.example.com", "null" or "*"'

const isOrigin = (text: string): boolean =>
  text === "*" || text === "null" || (URL.canParse(text) && new URL(text).origin === text)

const WebSocket = Schema.Struct({
  host: key(
    orNull(Schema.NonEmptyString, "a host name or an IP address"),
    null,
    "Address to listen on. `null`: the `host` of the server."
  ),
  port: key(
    orNull(whole(0, 65_535), "a whole number from 0 to 65535"),
    null,
    "TCP port for WebSocket clients. `null` turns them off; 0 takes a free one, which the log names."
  ),
  path: key(
    Schema.String.check(form((path) => /^\/[^?#\s]*$/.test(path), "^/[^?#\\s]*$", "^/[a-z]{0,9}$")).annotate({
      expected: 'a path that begins with "/", without "?", "#" and spaces'
    }),
    "/",
    "Path of the URL that WebSocket clients connect to."
  ),
  origins: key(
    Schema.Array(
      text
        .check(form(isOrigin, "^(\\*|null|[a-z][a-z0-9+.-]*://[^/?#@\\sA-Z]+)$", "^https://[a-z]{1,9}$"))
        .annotate({ expected: ORIGIN })
    ).annotate({
      expected: `a list: each ${ORIGIN}`
    }),
    [],
    'Web sites whose pages may connect. `"*"`: all. Programs that are no browsers send no origin and may always.'
  ),
  max_clients: key(
    orNull(whole(1), "a whole number, 1 or more"),
    null,
    "WebSocket clients that may be connected at once. `null`: as many as `hyper_parameters.max_clients` allows in all."
  ),
  compression: key(
    Schema.Literals(["off", false]).annotate({ expected: '"off" or false' }),
    "off",
    "Messages are not compressed, whatever clients offer."
  )
})

const Otlp = Schema.Struct({
  endpoint: key(
    orNull(httpUrl, "an http or https URL"),
    null,
    "OpenTelemetry collector (OTLP over HTTP, usually port 4318) that gets logs, metrics and traces."
  )
})

const natsUrls = (accepts: (text: string) => boolean) => form(accepts, ".", "^nats://[a-z]{1,9}$")

const natsUrl = Schema.String.check(natsUrls(NatsUrl.isValid)).annotate({
  expected: NatsUrl.EXPECTED,
  secret: true
})

const Nats = Schema.Struct({
  servers: key(
    orNull(
      Schema.Union([
        Schema.String.check(natsUrls((text) => NatsUrl.listOf(text).every(NatsUrl.isValid))),
        Schema.Array(natsUrl).check(Schema.isMinLength(1))
      ]),
      `${NatsUrl.EXPECTED}, or a list of such`
    ).annotate({
      secret: (servers: string | ReadonlyArray<string> | null) =>
        NatsUrl.listOf(servers).some((url) => NatsUrl.accountOf(url) !== undefined)
    }),
    null,
    "NATS servers that connect this process with others to one room. `null`: it is a room of its own."
  ),
  subject: key(
    Schema.String.check(
      form(
        (subject) => /^[^\s.*>]+(\.[^\s.*>]+)*$/.test(subject),
        "^[^ .*>]+(\\.[^ .*>]+)*$",
        "^[a-z]{1,9}(\\.[a-z]{1,9})?$"
      )
    ).annotate({
      expected: "words between dots, without spaces, * and >"
    }),
    "summoner.room",
    "Name of the room: processes with the same subject share one."
  ),
  credentials: key(orNull(path, "a file name"), null, "Credentials (`.creds`) for NATS servers that ask for them."),
  name: key(
    orNull(
      Schema.String.check(form((name) => /^[ -~]{1,64}$/.test(name), "^[ -~]{1,64}$", "^[ -~]{1,64}$")),
      "a text of 1 to 64 ASCII characters"
    ),
    null,
    "What other processes and NATS call this one. `null`: host name and process id."
  ),
  connect: key(
    oneOf(["wait", "fail"]),
    "wait",
    "What a start without NATS does: `wait` for it, while clients of this process have a room, or `fail`."
  ),
  max_pending_bytes: key(
    whole(65_536),
    8_388_608,
    "Bytes that may wait for NATS. Above half of them senders wait as for a slow client; above all the oldest batch is dropped."
  ),
  tls: group(
    Schema.Struct({
      ca: key(
        orNull(path, "a file name"),
        null,
        "Certificates of the authorities that NATS servers' must come from (PEM)."
      ),
      cert: key(orNull(path, "a file name"), null, "Certificate that NATS servers may ask for (PEM)."),
      key: key(orNull(path, "a file name"), null, "Private key of that certificate (PEM).")
    }).check(Schema.makeFilter(({ cert, key }) => halfOfPair("cluster.nats.tls", cert, key))),
    "Encryption on the way to NATS: required if one of these is set or a server's URL begins with `tls://`, else as the server wants it."
  )
}).check(
  Schema.makeFilter(({ servers }) => {
    const accounts = new Set(NatsUrl.listOf(servers).flatMap((url) => NatsUrl.accountOf(url) ?? []))
    return accounts.size > 1 ? { path: ["servers"], issue: "one user and password for all servers" } : undefined
  })
)

const Cluster = Schema.Struct({ nats: group(Nats, "One room over several processes, by NATS.") })

/** A complete configuration: what a `server.json` means once every default is filled in. */
export interface Values extends Schema.Schema.Type<typeof Values> {}

/** The schema of a complete configuration. */
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
  hyper_parameters: group(HyperParameters, "Limits and protection."),
  tls: group(Tls, "Encryption of the relay's own port."),
  websocket: group(WebSocket, "Clients that speak WebSocket, in the same room."),
  admin: group(Admin, "Health, metrics, dashboard and actions for operators."),
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
      // Free ones are never the same.
      if (port === null || port === 0) continue
      const taken = listeners.slice(0, i).find((other) => other.port === port && overlap(other.host, host))
      if (taken !== undefined) {
        return { path, issue: `another one than ${taken.path.join(".")} on the same host` }
      }
    }
    return undefined
  })
)

/** The same as one writes it: what is left out has its default. */
export interface Written extends Schema.Codec.Encoded<typeof Values> {}

/** What an empty `server.json` means. */
export const defaults: Values = Schema.decodeSync(Values)({})

/**
 * The profile that a `version` stands for (README.md, "Profiles").
 *
 * @returns `"rust"` with every protection, `"python"` for the plain relay
 */
export const profileOf = (version: Values["version"]): "rust" | "python" => (version === "python" ? "python" : "rust")
