import * as Redacted from "effect/Redacted"
import { createHash, timingSafeEqual } from "node:crypto"
import { isLoopback } from "../net/IpNetwork.ts"

/** What of a request decides whether it is served. */
export interface Asked {
  readonly method: string
  /** Without the query. */
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

/** What everybody may read: for probes, and a page without data. */
export const OPEN: ReadonlySet<string> = new Set(["/", "/healthz", "/readyz"])

/**
 * Decides who may do what. Where only this machine can reach the server, reading is free; elsewhere it needs the token. Actions
 * always do.
 *
 * @param admin as configured; the token may change
 */
export const make = (admin: { readonly host: string; readonly token: Redacted.Redacted | null }) => {
  const isLocal = isLoopback(admin.host)
  return ({ authorization, host, method, path }: Asked): Denial | undefined => {
    // A page of somebody else's that has its own name resolved to this machine could read everything.
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

/** Of a `Host` header: without the port, and without the brackets of an IPv6 address. */
const hostName = (host = ""): string => host.replace(/:\d*$/, "").replace(/^\[(.*)\]$/, "$1")

/** Takes the same time whatever differs. */
const isSame = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b))

const digest = (text: string): Buffer => createHash("sha256").update(text).digest()
