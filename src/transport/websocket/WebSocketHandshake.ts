import { createHash } from "node:crypto"
import type { IncomingMessage } from "node:http"
import { isIP } from "node:net"
import * as Incidents from "../../session/Incidents.ts"

export const NO_HANDSHAKE = Incidents.define("connection", "no_websocket_handshake", "not a WebSocket handshake")
export const ORIGIN_NOT_ALLOWED = Incidents.define("connection", "origin_not_allowed", "origin not allowed")

const VERSION = "13"

/** 16 bytes in Base64. */
const KEY = /^[+/0-9A-Za-z]{22}==$/

/** Appended to the key of the client (RFC 6455, section 1.3). */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

export interface Rejection {
  readonly incident: Incidents.Incident
  /** The status line: `404 Not Found`. */
  readonly status: string
  /** Explanation for people. */
  readonly text: string
  /** Headers beyond the common ones. */
  readonly headers: { readonly [name: string]: string }
}

type Request = Pick<IncomingMessage, "headers" | "headersDistinct" | "httpVersion" | "method" | "url">

/** The first request of a client; `request` is `undefined` if it is not HTTP. */
export interface Begun {
  readonly request: Request | undefined
  /** Whether Node has handed over the socket after this request. */
  readonly isUpgrade: boolean
}

export interface Rules {
  /** `undefined` for a mount: the program has chosen the path, so any is right. */
  readonly path: string | undefined
  /** As in `websocket.origins`. */
  readonly origins: ReadonlyArray<string>
  /** Whether the relay serves a page, which may connect: `websocket.page`. */
  readonly hasPage: boolean
}

/**
 * Checks a handshake (RFC 6455, section 4.2.1). `undefined` if it is valid.
 *
 * Browsers let any page connect to any address, this machine included, and send the site of the page in `Origin`, so the origin must be
 * allowed. A matching `Host` is not enough: a site can make its own name resolve to the address of the relay (DNS rebinding). It cannot
 * choose an IP address or `localhost` as its name, so these are enough for the page of the relay.
 */
export const rejection = ({ isUpgrade, request }: Begun, rules: Rules): Rejection | undefined => {
  const { path } = rules
  const invalid = (status: string, text: string, headers: Rejection["headers"] = {}): Rejection => ({
    incident: NO_HANDSHAKE,
    status,
    text,
    headers
  })
  if (request === undefined) return invalid("400 Bad Request", "This port is for WebSocket clients.")
  const { headers, headersDistinct, httpVersion, method, url = "" } = request
  if (headersDistinct.host?.length !== 1 && httpVersion !== "1.0") {
    return invalid("400 Bad Request", "A request names its host, once.")
  }
  if (path !== undefined && pathOf(url) !== path)
    return invalid("404 Not Found", `Nothing is here. WebSocket clients connect to ${path}`)
  if (method !== "GET") return invalid("405 Method Not Allowed", "WebSocket clients begin with GET.", { Allow: "GET" })
  const isAsked = lists(headers.upgrade, "websocket") && lists(headers.connection, "upgrade")
  if (rules.hasPage && !lists(headers.upgrade, "websocket")) {
    return notAllowed(
      `A page of ${headers.host} may not connect to this relay: add its origin, such as https://${headers.host}, to websocket.origins.`
    )
  }
  if (isAsked && hasBody(headers)) return invalid("400 Bad Request", "A handshake has no body.")
  // HTTP 1.0 has no upgrade (RFC 9110, section 7.8).
  if (!isUpgrade || !isAsked || httpVersion !== "1.1") {
    return invalid("426 Upgrade Required", "Only WebSocket clients can connect here.", UPGRADE)
  }
  if (headers["sec-websocket-version"] !== VERSION) {
    return invalid("426 Upgrade Required", `Sec-WebSocket-Version must be ${VERSION}.`, {
      ...UPGRADE,
      "Sec-WebSocket-Version": VERSION
    })
  }
  if (!KEY.test(headers["sec-websocket-key"] ?? "")) {
    return invalid("400 Bad Request", "Sec-WebSocket-Key must be 16 bytes in Base64.")
  }
  const { origin } = headers
  if (origin !== undefined && !isAllowed(origin, headers.host, rules)) {
    return notAllowed(`Pages of the origin ${origin} may not connect (websocket.origins).`)
  }
  return undefined
}

const notAllowed = (text: string): Rejection => ({
  incident: ORIGIN_NOT_ALLOWED,
  status: "403 Forbidden",
  text,
  headers: {}
})

/**
 * Whether a request is for the page of the relay, from where that page may connect. A TLS proxy before the relay may have changed the
 * scheme, so either will do.
 */
export const isForPage = ({ request }: Begun, rules: Rules): boolean => {
  if (!rules.hasPage || request === undefined) return false
  const { headers, headersDistinct, method, url = "" } = request
  const { host } = headers
  return (
    method === "GET" &&
    pathOf(url) === rules.path &&
    !lists(headers.upgrade, "websocket") &&
    headersDistinct.host?.length === 1 &&
    ["http", "https"].some((scheme) => isAllowed(`${scheme}://${host}`, host, rules))
  )
}

/** @param host of the request */
const isAllowed = (origin: string, host: string | undefined, { hasPage, origins }: Rules): boolean =>
  origins.includes("*") ||
  origins.includes(origin) ||
  (hasPage && host !== undefined && cannotBeRebound(host) && /^https?:\/\/(.*)$/.exec(origin)?.[1] === host)

/** Whether a host, with or without a port, is no name that anybody else may have chosen. */
const cannotBeRebound = (host: string): boolean => {
  const [, ipv6, name = ""] = /^(?:\[(.*)\]|([^:]*))(?::\d+)?$/.exec(host) ?? []
  return isIP(ipv6 ?? name) !== 0 || name === "localhost"
}

/** Headers of 426 Upgrade Required. The connection is closed nevertheless. */
const UPGRADE = { Connection: "close, Upgrade", Upgrade: "websocket" }

/** The path of a request target, which may be a whole URL (RFC 9112, section 3.2.2). */
const pathOf = (target: string): string => {
  const path = target.replace(/^[a-z][-+.0-9a-z]*:\/\/[^/?]*/i, "").split("?", 1)[0]!
  return path === "" && target !== "" ? "/" : path
}

/** Whether a list in a header has a token, case-insensitively. */
const lists = (list: string | undefined, token: string): boolean =>
  list?.split(",").some((item) => item.trim().toLowerCase() === token) === true

const hasBody = (headers: Request["headers"]): boolean =>
  headers["transfer-encoding"] !== undefined || /[^0]/.test(headers["content-length"] ?? "0")

export const acceptance = ({ headers }: Request): string => {
  const accept = createHash("sha1")
    .update(headers["sec-websocket-key"] + GUID)
    .digest("base64")
  return response(
    "101 Switching Protocols",
    { Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Accept": accept },
    ""
  )
}

export const refusal = ({ headers, status, text }: Rejection): string => {
  const body = `${text}\n`
  const own = {
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": String(Buffer.byteLength(body)),
    Connection: "close"
  }
  return response(status, { ...own, ...headers }, body)
}

/** The response with the page of the relay. */
export const pageResponse = (html: string, contentSecurityPolicy: string): string =>
  response(
    "200 OK",
    {
      "Content-Type": "text/html; charset=utf-8",
      "Content-Length": String(Buffer.byteLength(html)),
      "Content-Security-Policy": contentSecurityPolicy,
      "X-Content-Type-Options": "nosniff",
      "Referrer-Policy": "no-referrer",
      "Cache-Control": "no-cache",
      Connection: "close"
    },
    html
  )

const response = (status: string, headers: { readonly [name: string]: string }, body: string): string => {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status}\r\n${lines.join("")}\r\n${body}`
}
