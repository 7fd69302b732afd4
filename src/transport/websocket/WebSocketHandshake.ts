import { createHash } from "node:crypto"
import type { IncomingMessage } from "node:http"
import * as Incidents from "../../session/Incidents.ts"

export const NO_HANDSHAKE = Incidents.define("connection", "no_websocket_handshake", "not a WebSocket handshake")
export const ORIGIN_NOT_ALLOWED = Incidents.define("connection", "origin_not_allowed", "origin not allowed")

/** The version of the protocol that RFC 6455 defines, and browsers speak. */
const VERSION = "13"

/** 16 bytes in Base64. */
const KEY = /^[+/0-9A-Za-z]{22}==$/

/** What every server appends to the key of a client (RFC 6455, section 1.3). */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

/** Why a request does not become a WebSocket. */
export interface Rejection {
  readonly incident: Incidents.Incident
  /** `404 Not Found` */
  readonly status: string
  /** For a person. */
  readonly text: string
  /** Beyond those that every answer has. */
  readonly headers: { readonly [name: string]: string }
}

type Request = Pick<IncomingMessage, "headers" | "headersDistinct" | "httpVersion" | "method" | "url">

/** How a client has begun: `request` is `undefined` if with something else. */
export interface Begun {
  readonly request: Request | undefined
  /** Whether HTTP ends with this request, so that what follows it is no body, and no other request. */
  readonly isUpgrade: boolean
}

/** Who may connect, and where. */
export interface Rules {
  readonly path: string
  /** As in `websocket.origins`. */
  readonly origins: ReadonlyArray<string>
}

/**
 * What is wrong with a request to become a WebSocket (RFC 6455, section 4.2.1); `undefined` if nothing is. No request at all is wrong,
 * too.
 *
 * Browsers let every page connect to every address, that of the machine itself included, and say in `Origin` which site the page
 * is from: so that is asked here. No site is allowed by itself, not even the one that the request names as its host: the relay has no
 * pages of its own, and a site can have its name mean the address of the relay.
 */
export const rejection = ({ isUpgrade, request }: Begun, { origins, path }: Rules): Rejection | undefined => {
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
  if (pathOf(url) !== path) return invalid("404 Not Found", `Nothing is here. WebSocket clients connect to ${path}`)
  if (method !== "GET") return invalid("405 Method Not Allowed", "WebSocket clients begin with GET.", { Allow: "GET" })
  const isAsked = lists(headers.upgrade, "websocket") && lists(headers.connection, "upgrade")
  if (isAsked && hasBody(headers)) return invalid("400 Bad Request", "A handshake has no body.")
  // Before version 1.1 of HTTP there is no upgrade (RFC 9110, section 7.8).
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
  if (origin !== undefined && !origins.includes("*") && !origins.includes(origin)) {
    return {
      incident: ORIGIN_NOT_ALLOWED,
      status: "403 Forbidden",
      text: `Pages of the origin ${origin} may not connect (websocket.origins).`,
      headers: {}
    }
  }
  return undefined
}

/** What an answer says that asks for an upgrade; the connection is closed all the same. */
const UPGRADE = { Connection: "close, Upgrade", Upgrade: "websocket" }

/** Of a request target, which may be a whole URL (RFC 9112, section 3.2.2). */
const pathOf = (target: string): string => {
  const path = target.replace(/^[a-z][-+.0-9a-z]*:\/\/[^/?]*/i, "").split("?", 1)[0]!
  return path === "" && target !== "" ? "/" : path
}

/** Whether a list in a header has a token, in whatever case. */
const lists = (list: string | undefined, token: string): boolean =>
  list?.split(",").some((item) => item.trim().toLowerCase() === token) === true

const hasBody = (headers: Request["headers"]): boolean =>
  headers["transfer-encoding"] !== undefined || /[^0]/.test(headers["content-length"] ?? "0")

/** Turns a request that is one for a WebSocket into one. */
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

/** Says why not. */
export const refusal = ({ headers, status, text }: Rejection): string => {
  const body = `${text}\n`
  const own = {
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": String(Buffer.byteLength(body)),
    Connection: "close"
  }
  return response(status, { ...own, ...headers }, body)
}

const response = (status: string, headers: { readonly [name: string]: string }, body: string): string => {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status}\r\n${lines.join("")}\r\n${body}`
}
