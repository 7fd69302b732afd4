/** What the admin server refuses: JSON with an `error` in words. */
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { HttpApiSchemaError } from "effect/http-api/HttpApiError"
import * as SchemaIssue from "effect/SchemaIssue"
import { AdminApi } from "./AdminApi.ts"

export const MAX_BODY_KIB = 64

export const MAX_HEADER_KIB = 16

export interface Problem {
  readonly status: number
  readonly error: string
  readonly headers?: Readonly<Record<string, string>>
}

export const TOO_LARGE: Problem = { status: 413, error: `the body is larger than ${MAX_BODY_KIB} KiB` }
export const UNREADABLE: Problem = { status: 400, error: "the body cannot be read; expected JSON" }
export const NOT_JSON: Problem = {
  status: 415,
  error: "the body has another content type; expected application/json",
  headers: { accept: "application/json" }
}
export const NO_HOST: Problem = { status: 400, error: "expected one Host header" }
export const EXPECTATION: Problem = { status: 417, error: "the only expectation that can be met is 100-continue" }
export const INTERNAL: Problem = { status: 500, error: "internal error; the log of the server says more" }

const MALFORMED: Problem = { status: 400, error: "this is not a request of HTTP/1.1" }

/** Requests that Node gives up. */
const BY_CODE: { readonly [code: string]: Problem } = {
  HPE_HEADER_OVERFLOW: { status: 431, error: `the headers are longer than ${MAX_HEADER_KIB} KiB` },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: TOO_LARGE,
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, error: "the request did not arrive in time" }
}

/** @param code of the error that Node gives a request up with */
export const ofCode = (code: string | undefined): Problem => BY_CODE[code ?? ""] ?? MALFORMED

/** The methods of each path. */
const METHODS = new Map<string, Array<string>>(
  ["/", "/healthz", "/readyz", "/metrics", "/api/events", "/api/messages", "/api/openapi.json"].map((path) => [
    path,
    ["GET", "HEAD"]
  ])
)
for (const { endpoints } of Object.values(AdminApi.groups)) {
  for (const { method, path } of Object.values(endpoints)) {
    METHODS.set(path, [...(METHODS.get(path) ?? []), ...(method === "GET" ? ["GET", "HEAD"] : [method])])
  }
}

/** The router has no route for a request: another method, or nothing is there. */
export const notRouted = (method: string, path: string): Problem => {
  const allowed = METHODS.get(path.replace(/\/+/g, "/").replace(/(.)\/$/, "$1"))
  if (allowed === undefined) return { status: 404, error: `there is no ${method} ${path}` }
  const expected = allowed.filter((method) => method !== "HEAD").join(" or ")
  return {
    status: 405,
    error: `there is no ${method} ${path}; expected ${expected}`,
    headers: { allow: allowed.join(", ") }
  }
}

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

/** What is wrong with the parameters or the body of a request. */
export const ofSchema = ({ cause, kind }: HttpApiSchemaError): Problem => {
  const { message, path = [] } = issuesOf(cause.issue).issues[0]!
  const at = path.length > 0 ? path.map(String).join(".") : kind === "Query" ? "the query" : "the body"
  const wrong = message === "Missing key" ? "is missing" : message.charAt(0).toLowerCase() + message.slice(1)
  return { status: 400, error: `${at}: ${wrong}` }
}

/** As a response of Effect's router. */
export const response = ({ error, headers, status }: Problem): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.jsonUnsafe({ error }, { status, ...(headers !== undefined && { headers }) })

/** As bytes, for a connection that is closed afterwards. */
export const bytes = ({ error, status }: Problem): string => {
  const body = JSON.stringify({ error })
  const headers = `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close`
  const { STATUS_CODES } = process.getBuiltinModule("node:http")
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${headers}\r\n\r\n${body}`
}
