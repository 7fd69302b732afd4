import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Http from "node:http"
import * as Net from "node:net"
import * as AdminMount from "../../src/admin/AdminMount.ts"
import * as HostServer from "../support/HostServer.ts"
import * as Server from "../support/Server.ts"
import { shared } from "../support/shared.ts"

const TOKEN = "s3cret"

const GET = (path: string, ...headers: ReadonlyArray<string>) =>
  ["GET", path, ["Host: localhost", ...headers], ""] as const
const POST = (path: string, body: string, ...headers: ReadonlyArray<string>) => {
  const common = ["Host: localhost", `Authorization: Bearer ${TOKEN}`]
  const length = headers.some((header) => header.startsWith("Transfer")) ? [] : [`Content-Length: ${body.length}`]
  return ["POST", path, [...common, ...length, ...headers], body] as const
}
const JSON_BODY = "Content-Type: application/json"

type Request = readonly [method: string, path: string, headers: ReadonlyArray<string>, body: string]

const cases: ReadonlyArray<readonly [what: string, request: Request | string, status: number, error: string]> = [
  ["for a path that does not exist", GET("/api/nope?x=1"), 404, "there is no GET /api/nope"],
  ["with another method", POST("/api/stats", ""), 405, "there is no POST /api/stats; expected GET"],
  ["to act by GET", GET("/api/drain/"), 405, "there is no GET /api/drain/; expected POST"],
  [
    "with a method of neither",
    ["DELETE", "/api/quarantine", POST("", "")[2], ""],
    405,
    "there is no DELETE /api/quarantine; expected GET or POST"
  ],
  ["without the token", ["POST", "/api/drain", ["Host: x.localhost"], ""], 401, "the bearer token is missing or wrong"],
  ["with a number out of range", GET("/api/clients?limit=1001"), 400, "limit: expected a value between 1 and 1000"],
  ["with a number that is none", GET("/api/quarantine?limit=many"), 400, "limit: expected a finite number"],
  ["with a word that it does not know", GET("/api/clients?order=up"), 400, 'order: expected "asc" | "desc"'],
  ["without a key of its body", POST("/api/disconnect", "{}", JSON_BODY), 400, "address: is missing"],
  [
    "with a value of the wrong kind",
    POST("/api/disconnect", '{"address":5}', JSON_BODY),
    400,
    "address: expected string"
  ],
  [
    "with a key that nobody sees",
    POST("/api/quarantine", '{"key":"10.0.0.1\\u202e"}', JSON_BODY),
    422,
    '"10.0.0.1\\u202e" cannot be quarantined: expected an IP address (quarantine_scope is "ip")'
  ],
  [
    "with an address that nobody sees",
    POST("/api/disconnect", '{"address":"\\u200b"}', JSON_BODY),
    404,
    'no client "\\u200b" is connected; expected the ip:port of one that is'
  ],
  [
    "to lift what nobody sees",
    POST("/api/lift", '{"key":"\\u00ad"}', JSON_BODY),
    404,
    '"\\u00ad" is not in quarantine'
  ],
  ["with a list for a body", POST("/api/disconnect", "[]", JSON_BODY), 400, "the body: expected object"],
  ["with a broken body", POST("/api/disconnect", "{", JSON_BODY), 400, "the body: expected a valid JSON body"],
  [
    "with text for a body",
    POST("/api/disconnect", "{}", "Content-Type: text/plain"),
    415,
    "the body has another content type; expected application/json"
  ],
  ["with a long body", POST("/api/drain", "x".repeat(65_537), JSON_BODY), 413, "the body is larger than 64 KiB"],
  [
    "with a long body in chunks",
    POST("/api/lift", `186a0\r\n${"x".repeat(100_000)}\r\n0\r\n\r\n`, JSON_BODY, "Transfer-Encoding: chunked"),
    413,
    "the body is larger than 64 KiB"
  ],
  ["with long headers", GET("/api/stats", `X: ${"x".repeat(100_000)}`), 431, "the headers are longer than 16 KiB"],
  ["without a host", ["GET", "/api/stats", [], ""], 400, "expected one Host header"],
  ["with two hosts", GET("/api/stats", "Host: other.localhost"), 400, "expected one Host header"],
  [
    "from another host",
    ["GET", "/api/stats", ["Host: evil.example"], ""],
    403,
    'unknown host "evil.example"; expected localhost or its address'
  ],
  [
    "for a whole URL of another host",
    GET("http://evil.example/api/stats"),
    403,
    'unknown host "evil.example"; expected localhost or its address'
  ],
  [
    "from a page of another site",
    GET("/api/stats", "Sec-Fetch-Site: cross-site"),
    403,
    "pages of other sites may not ask (Sec-Fetch-Site)"
  ],
  ["that expects cake", GET("/api/stats", "Expect: cake"), 417, "the only expectation that can be met is 100-continue"],
  ["that is no request", "hello\r\n\r\n", 400, "this is not a request of HTTP/1.1"],
  ["without a path", GET("stats"), 400, "this is not a request of HTTP/1.1"],
  [
    "with two lengths",
    POST("/api/drain", "0\r\n\r\n", "Transfer-Encoding: chunked", "Content-Length: 5"),
    400,
    "this is not a request of HTTP/1.1"
  ]
]

/** Whether it is for the API to refuse: a mount leaves hosts, headers and what is no request to the server of the program. */
const isForApi = ([, request]: (typeof cases)[number]) =>
  typeof request !== "string" &&
  request[1].startsWith("/") &&
  request[2].filter((header) => /^Host: \S*localhost$/.test(header)).length === 1 &&
  !request[2].some((header) => /^(?:Expect|X): |^Content-Length: 5$/.test(header))

/** What comes until the server closes. */
const ask = (port: number, request: Request | string) =>
  Effect.callback<string>((resume) => {
    const socket = Net.connect(port, "127.0.0.1")
    let text = ""
    socket.on("error", () => {}).on("data", (chunk) => (text += chunk))
    socket.once("close", () => resume(Effect.succeed(text)))
    if (typeof request === "string") socket.write(request)
    else {
      const [method, path, headers, body] = request
      socket.write(`${method} ${path} HTTP/1.1\r\n${[...headers, "Connection: close"].join("\r\n")}\r\n\r\n${body}`)
    }
    return Effect.sync(() => socket.destroy())
  })

/** The port of a server for all of them: what it refuses leaves it as it was. */
const served = shared(
  Effect.map(Server.start({ admin: { port: 0, token: TOKEN } }), ({ relay }) => relay.adminAddress!.port)
)

/** The port of an HTTP server with the API under a path. */
const mountServed = shared(
  Effect.gen(function* () {
    const mount = AdminMount.make("/ops")
    yield* HostServer.relay({ admin: { token: TOKEN } }, { adminServer: mount.layer })
    return yield* HostServer.listen(Http.createServer((request, response) => void mount.handle(request, response)))
  })
)

const assertRefused = (answer: string, status: number, error: string) => {
  const end = answer.indexOf("\r\n\r\n")
  assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `))
  assert.match(answer.slice(0, end), /\r\ncontent-type: application\/json/i)
  const chunk = /^[0-9a-f]+\r\n(.*)\r\n0\r\n\r\n$/s.exec(answer.slice(end + 4))
  assert.strictEqual(JSON.parse(chunk?.[1] ?? answer.slice(end + 4)).error, error)
}

const AUTHORIZATION = `Authorization: Bearer ${TOKEN}`

/** The request below the prefix of a mount, where reading needs the token, too. */
const mounted = ([method, path, headers, body]: Request, prefix: string): Request => [
  method,
  `${prefix}${path}`,
  method === "GET" ? [...headers, AUTHORIZATION] : headers,
  body
]

describe("a request to the admin API", () => {
  it.live.each(cases)("%s is refused with JSON, in words", ([, request, status, error]) =>
    Effect.gen(function* () {
      assertRefused(yield* ask(yield* served, request), status, error)
    })
  )

  it.live.each(cases.filter(isForApi))("%s is refused so by a mount, too", ([, request, status, error]) =>
    Effect.gen(function* () {
      assertRefused(yield* ask(yield* mountServed, mounted(request as Request, "/ops")), status, error)
    })
  )

  it.live("with another method is told which there are", () =>
    Effect.gen(function* () {
      const answer = yield* ask(yield* served, POST("/api/clients", ""))
      assert.match(answer, /\r\nallow: GET, HEAD\r\n/i)
    })
  )

  it.live("for a whole URL is served like one for its path", () =>
    Effect.gen(function* () {
      assert.match(yield* ask(yield* served, GET("http://localhost/api/stats")), /^HTTP\/1.1 200 /)
    })
  )
})

describe("the event stream, for proxies,", () => {
  it.live("is not to be buffered, compressed or stored", () =>
    Effect.gen(function* () {
      const answer = yield* ask(yield* served, ["HEAD", "/api/events", ["Host: localhost"], ""])
      assert.match(answer, /\r\ncache-control: no-store, no-transform\r\n/i)
      assert.match(answer, /\r\nx-accel-buffering: no\r\n/i)
    })
  )
})
