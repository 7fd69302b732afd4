import * as Redacted from "effect/Redacted"
import { createHash, timingSafeEqual } from "node:crypto"
import { isLoopback } from "../net/IpNetwork.ts"

/** The parts of a request that decide whether it is served. */
export interface AccessRequest {
  readonly method: string
  /** Without the query string. */
  readonly path: string
  /** The `Host` header. */
  readonly host: string | undefined
  /** The `Authorization` header. */
  readonly authorization: string | undefined
}

/** Why a request is not served. */
export interface Denial {
  readonly status: 401 | 403
  readonly error: string
}

/** Paths that need no token anywhere: probes, and the page without its data. */
export const OPEN: ReadonlySet<string> = new Set(["/", "/healthz", "/readyz"])

/**
 * Decides which requests are served. Reading needs the token unless the server listens on a loopback address; actions always need it.
 *
 * @param admin the `admin` group of the configuration; a reload may change the token
 */
export const make = (admin: { readonly host: string; readonly token: Redacted.Redacted | null }) => {
  const isLocal = isLoopback(admin.host)
  return ({ authorization, host, method, path }: AccessRequest): Denial | undefined => {
    // DNS rebinding: a web page whose host name resolves to this machine could read everything.
    if (isLocal && !isLoopback(hostName(host))) {
      return { status: 403, error: `unknown host ${JSON.stringify(host ?? "")}; expected localhost or its address` }
    }
    const isReading = method === "GET" || method === "HEAD"
    if (isReading && (isLocal || OPEN.has(path))) return undefined
    if (admin.token === null) {
      return { status: 403, error: "actions are off: they need admin.token in the configuration" }
    }
    const given = /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1]
    return given !== undefined && isSame(given, Redacted.value(admin.token))
      ? undefined
      : { status: 401, error: "the bearer token is missing or wrong" }
  }
}

/** The host in a `Host` header, without the port and the brackets of an IPv6 address. */
const hostName = (host = ""): string => host.replace(/:\d*$/, "").replace(/^\[(.*)\]$/, "$1")

/** Compares in constant time. */
const isSame = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b))

const digest = (text: string): Buffer => createHash("sha256").update(text).digest()
