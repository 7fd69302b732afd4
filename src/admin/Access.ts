import * as Redacted from "effect/Redacted"
import { createHash, timingSafeEqual } from "node:crypto"
import { show } from "../config/redact.ts"
import { isLoopback } from "../net/IpNetwork.ts"

/** The parts of a request that decide whether it is served. */
export interface AccessRequest {
  readonly method: string
  /** Without the query string. */
  readonly path: string
  readonly host: string | undefined
  readonly authorization: string | undefined
  /** The `Sec-Fetch-Site` header: which page of a browser has sent the request. */
  readonly site: string | undefined
}

export interface Rules {
  readonly host: string
  readonly token: Redacted.Redacted | null
  readonly token_for_reading: boolean
}

export interface Denial {
  readonly status: 401 | 403
  readonly error: string
}

/** Paths that need no token anywhere: probes, and the page without its data. */
export const OPEN: ReadonlySet<string> = new Set(["/", "/healthz", "/readyz"])

/** What is wrong with a request, if it is not served. `always`: whether even reading it needs the token. */
export type Access = (request: AccessRequest, always?: boolean) => Denial | undefined

/**
 * Decides which requests are served. Reading needs the token unless the server listens on a loopback address; actions always need it.
 *
 * @param rules a reload may change the token
 * @param isLocal whether only this machine can reach the server
 */
export const make =
  (rules: Rules, isLocal = isLoopback(rules.host)): Access =>
  ({ authorization, host, method, path, site }, always = false) => {
    // DNS rebinding: a web page whose host name resolves to this machine could read everything.
    if (isLocal && !isLoopback(hostName(host))) {
      return { status: 403, error: `unknown host ${show(host ?? "")}; expected localhost or its address` }
    }
    if (OPEN.has(path) && isReading(method)) return undefined
    // A page cannot read the response to such a request, but its event streams would take all places.
    if (site === "cross-site" || site === "same-site") {
      return { status: 403, error: "pages of other sites may not ask (Sec-Fetch-Site)" }
    }
    if (isReading(method) && !always && isLocal && !rules.token_for_reading) return undefined
    if (rules.token === null) {
      const what = isReading(method) ? "reading is off: it needs" : "actions are off: they need"
      return { status: 403, error: `${what} admin.token in the configuration` }
    }
    const given = /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1]
    return given !== undefined && isSame(given, Redacted.value(rules.token))
      ? undefined
      : { status: 401, error: "the bearer token is missing or wrong" }
  }

const isReading = (method: string): boolean => method === "GET" || method === "HEAD"

/** The host in a `Host` header, without the port and the brackets of an IPv6 address. */
const hostName = (host = ""): string => host.replace(/:\d*$/, "").replace(/^\[(.*)\]$/, "$1")

/** Compares in constant time. */
const isSame = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b))

const digest = (text: string): Buffer => createHash("sha256").update(text).digest()
