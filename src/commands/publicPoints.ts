import { defaults, profileOf, type Values } from "../config/ServerConfig.ts"
import { isLoopback } from "../net/IpNetwork.ts"

/** What a configuration needs before strangers can connect (docs/security.md#before-strangers-can-connect). */
interface Point {
  /** The key that decides. */
  readonly path: string
  readonly isMet: (values: Values) => boolean
  /** What happens otherwise, and what to set. */
  readonly advice: string
}

export const publicPoints: ReadonlyArray<Point> = [
  {
    path: "version",
    isMet: ({ version }) => profileOf(version) === "rust",
    advice: 'nothing limits what a client sends: "rust"'
  },
  {
    path: "logger.log_level",
    isMet: ({ logger: { enable_console_log, enable_file_log, log_keys, log_level } }) =>
      !["DEBUG", "INFO"].includes(log_level) || log_keys !== null || !(enable_console_log || enable_file_log),
    advice: 'every message is in the log: "WARNING", or a list as log_keys'
  },
  {
    path: "hyper_parameters.rate_limit_scope",
    isMet: ({ hyper_parameters }) => hyper_parameters.rate_limit_scope === "ip",
    advice: 'each new connection has a new rate limit: "ip"'
  },
  {
    path: "hyper_parameters.client_timeout_secs",
    isMet: ({ hyper_parameters }) => hyper_parameters.client_timeout_secs !== null,
    advice: "dead connections keep their places: a number of seconds"
  },
  {
    path: "hyper_parameters.max_clients",
    isMet: ({ hyper_parameters }) => hyper_parameters.max_clients < defaults.hyper_parameters.max_clients,
    advice: "more than a machine has memory and open files for: what this one is meant for"
  },
  {
    path: "hyper_parameters.max_clients_per_ip",
    isMet: ({ hyper_parameters }) => hyper_parameters.max_clients_per_ip !== null,
    advice: "one address may take all places: 20, for example"
  },
  {
    path: "hyper_parameters.backpressure_policy.enable_disconnect",
    isMet: ({ hyper_parameters: { backpressure_policy, max_clients } }) =>
      !backpressure_policy.enable_disconnect || backpressure_policy.disconnect_threshold >= max_clients,
    advice: "silent connections get every speaker disconnected: false, or a disconnect_threshold of max_clients"
  },
  {
    path: "tls.cert",
    isMet: ({ hyper_parameters, tls }) => tls.cert !== null || hyper_parameters.trusted_proxies.length > 0,
    advice: "everybody on the way reads and changes messages: a certificate, unless a proxy in front has one"
  },
  {
    path: "websocket.origins",
    isMet: ({ websocket }) => websocket.port === null || !websocket.origins.includes("*"),
    advice: 'every web site can connect the browsers of its visitors: a list without "*"'
  },
  {
    path: "admin.host",
    isMet: ({ admin }) => admin.port === null || isLoopback(admin.host),
    advice: "strangers reach the admin port, which has no TLS: a loopback address, or a firewall"
  }
]
