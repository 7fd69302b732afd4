import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Http from "node:http"
import * as Https from "node:https"
import * as Net from "node:net"
import { ListenError } from "../../../src/RelayServer.ts"
import type { Options } from "../../../src/config/ServerConfig.ts"
import * as WebSocketMount from "../../../src/transport/websocket/WebSocketMount.ts"
import * as Certificates from "../../support/Certificates.ts"
import * as HostServer from "../../support/HostServer.ts"
import * as Server from "../../support/Server.ts"
import * as TcpClient from "../../support/TcpClient.ts"
import * as WebSocketClient from "../../support/WebSocketClient.ts"

/** A program with a page of its own, and the relay at `/chat`. */
const start = Effect.fnUntraced(function* (
  options: Options = {},
  host: Http.Server | Https.Server = Http.createServer()
) {
  const mount = WebSocketMount.make()
  const started = yield* HostServer.relay(options, { webSocketListener: mount.layer })
  host.on("request", (_request, response) => response.end("the page"))
  host.on("upgrade", (request: Http.IncomingMessage, socket, head: Buffer) => {
    if (request.url === "/chat") mount.handleUpgrade(request, socket, head)
    else socket.end("HTTP/1.1 404 Not Found\r\n\r\n")
  })
  const port = yield* HostServer.listen(host)
  const connect = (options?: WebSocketClient.Options) => WebSocketClient.connect(`ws://127.0.0.1:${port}/chat`, options)
  return { ...started, port, connect }
})

const connected = (lines: ReadonlyArray<string>, count: number) =>
  Server.until(() => lines.filter((line) => line.includes(" connected (")).length === count)

/** Both ways between a WebSocket client and one of TCP. */
const assertRelays = Effect.fnUntraced(function* (
  web: WebSocketClient.WebSocketClient,
  tcp: TcpClient.TcpClient,
  lines: ReadonlyArray<string>
) {
  yield* connected(lines, 2)
  web.send("from the web")
  assert.strictEqual(yield* tcp.line, `{"remote_addr":"${web.address}","content":"from the web"}`)
  tcp.send("from TCP\n")
  assert.strictEqual(yield* web.line, TcpClient.envelope(tcp, "from TCP"))
})

describe("a relay mounted on an HTTP server", () => {
  it.live("has its clients in the room of those of TCP, beside the program's own requests", () =>
    Effect.gen(function* () {
      const { connect, lines, port, relay } = yield* start()
      yield* assertRelays(yield* connect(), yield* TcpClient.connect(relay.address.port), lines)
      assert.strictEqual(
        yield* Effect.promise(() => fetch(`http://127.0.0.1:${port}/`).then((r) => r.text())),
        "the page"
      )
      assert.match((yield* connect({ path: "/other" })).answer, / 404 /)
      assert.isUndefined(relay.webSocketUrl)
    })
  )

  it.live("loses nothing that a client sends together with its handshake", () =>
    Effect.gen(function* () {
      const { lines, port, relay } = yield* start()
      const tcp = yield* TcpClient.connect(relay.address.port)
      yield* connected(lines, 1)
      const socket = yield* Effect.acquireRelease(
        Effect.sync(() => Net.connect(port, "127.0.0.1").on("error", () => {})),
        (socket) => Effect.sync(() => socket.destroy())
      )
      const handshake =
        "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
      socket.write(Buffer.concat([Buffer.from(handshake), WebSocketClient.frame(WebSocketClient.TEXT, "early")]))
      assert.match(yield* tcp.line, /"content":"early"/)
    })
  )

  it.live("has the origins, addresses and limits of its configuration", () =>
    Effect.gen(function* () {
      const { connect, lines } = yield* start({
        websocket: { origins: ["https://chat.example"] },
        hyper_parameters: { max_clients: 1, deny: ["127.0.0.2"] }
      })
      assert.match((yield* connect({ headers: { Origin: "https://evil.example" } })).answer, / 403 /)
      yield* connect({ headers: { Origin: "https://chat.example" } })
      yield* connected(lines, 1)
      const full = yield* connect()
      assert.deepStrictEqual(yield* full.closed, {
        code: 1013,
        rest: ["Warning: Server is full. Please try again later."]
      })
      assert.match((yield* connect({ headers: { Upgrade: "h2c" } })).answer, / 426 /)
      assert.match((yield* connect({ headers: { "Content-Length": "5" } })).answer, / 400 /)
    })
  )

  const HANDSHAKE =
    "GET /chat HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
  const UPGRADE = "Connection: keep-alive, Upgrade\r\nUpgrade: foo, WebSocket\r\n"

  it.live.each([
    ["101", HANDSHAKE + UPGRADE],
    ["101", `${HANDSHAKE}${UPGRADE}Content-Length: 0\r\n`],
    ["426", HANDSHAKE.replace("1.1", "1.0") + UPGRADE],
    ["426", `${HANDSHAKE}Connection: Upgrade\r\nUpgrade: h2c\r\n`],
    ["400", `${HANDSHAKE}${UPGRADE}Host: y\r\n`],
    ["400", `${HANDSHAKE}${UPGRADE}Transfer-Encoding: chunked\r\n`],
    ["400", HANDSHAKE.replace("==", "") + UPGRADE]
  ])("answers %s to a handshake as its own port does: %j", ([status, request]) =>
    Effect.gen(function* () {
      const { port } = yield* start()
      const asker = yield* TcpClient.connect(port)
      asker.send(`${request}\r\n`)
      assert.match(yield* asker.line, new RegExp(`^HTTP/1\\.1 ${status} `))
    })
  )

  it.live("keeps no client of connections that are reset or ended with their handshake", () =>
    Effect.gen(function* () {
      const { connect, port, relay } = yield* start()
      for (let i = 0; i < 20; i++) {
        yield* Effect.callback<void>((resume) => {
          const socket = Net.connect(port, "127.0.0.1", () => {
            const leave = () => void (i % 2 === 0 ? socket.resetAndDestroy() : socket.destroy())
            socket.write(`${HANDSHAKE}${UPGRADE}\r\n`, i % 4 < 2 ? leave : undefined)
            socket.once("data", leave)
          })
          socket.on("error", () => {}).once("close", () => resume(Effect.void))
        })
      }
      yield* Effect.repeat(relay.clients, {
        until: (clients) => clients.length === 0,
        schedule: Schedule.spaced("5 millis")
      })
      const clients = yield* Effect.map(connect(), () => relay.clients)
      yield* Effect.repeat(clients, { until: ({ length }) => length > 0, schedule: Schedule.spaced("5 millis") })
      assert.lengthOf(yield* relay.clients, 1)
    })
  )

  it.live("tells its clients that it shuts down, and refuses others from then on, while the program goes on", () =>
    Effect.gen(function* () {
      const mount = WebSocketMount.make()
      const host = Http.createServer((_request, response) => response.end("the page"))
      host.on("upgrade", mount.handleUpgrade)
      const port = yield* HostServer.listen(host)
      const connect = WebSocketClient.connect(`ws://127.0.0.1:${port}/`)
      assert.match((yield* connect).answer, /^HTTP\/1.1 503 /)
      for (let i = 0; i < 2; i++) {
        const scope = yield* Scope.make()
        const { lines } = yield* Scope.provide(HostServer.relay({}, { webSocketListener: mount.layer }), scope)
        const client = yield* connect
        yield* connected(lines, 1)
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(yield* client.closed, { code: 1001, rest: ["Warning: Server is shutting down."] })
        assert.match((yield* connect).answer, /^HTTP\/1.1 503 /)
      }
      assert.strictEqual(
        yield* Effect.promise(() => fetch(`http://127.0.0.1:${port}/`).then((r) => r.text())),
        "the page"
      )
    })
  )

  it.live("serves no client of a server that starts closed before that is opened", () =>
    Effect.gen(function* () {
      const mount = WebSocketMount.make()
      const host = Http.createServer().on("upgrade", mount.handleUpgrade)
      const port = yield* HostServer.listen(host)
      const connect = WebSocketClient.connect(`ws://127.0.0.1:${port}/`)
      const { lines, relay } = yield* HostServer.relay({}, { webSocketListener: mount.layer, startsClosed: true })
      assert.match((yield* connect).answer, /^HTTP\/1.1 503 /)
      yield* relay.open
      yield* assertRelays(yield* connect, yield* TcpClient.connect(relay.address.port), lines)
    })
  )

  it.live("closes a connection that it refuses before it runs, also if the client does not", () =>
    Effect.gen(function* () {
      const host = Http.createServer()
      host.on("upgrade", WebSocketMount.make().handleUpgrade)
      const port = yield* HostServer.listen(host)
      const socket = yield* Effect.acquireRelease(
        Effect.sync(() => Net.connect({ port, host: "127.0.0.1", allowHalfOpen: true }).on("error", () => {})),
        (socket) => Effect.sync(() => socket.destroy())
      )
      socket.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
      yield* Effect.callback<void>((resume) => void socket.resume().once("end", () => resume(Effect.void)))
      const connections = Effect.callback<number>((resume) => {
        host.getConnections((_error, count) => resume(Effect.succeed(count)))
      })
      while ((yield* connections) > 0) yield* Effect.sleep(10)
    })
  )

  it.live("does not start with a port of its own, which nobody would listen on", () =>
    Effect.gen(function* () {
      const { layer } = WebSocketMount.make()
      const error = yield* Effect.flip(HostServer.relay({ websocket: { port: 8889 } }, { webSocketListener: layer }))
      assert.instanceOf(error, ListenError)
      assert.strictEqual(
        error.message,
        "cannot listen on 127.0.0.1:8889 (websocket.port): WebSocket clients come by the HTTP server of the program"
      )
    })
  )

  it.live.skipIf(!Certificates.hasOpenssl)(
    `is wss on an HTTPS server, which knows its clients by their certificates${Certificates.withOpenssl}`,
    () =>
      Effect.gen(function* () {
        const certificates = yield* Certificates.make
        const [cert, key, ca] = ["server.pem", "server-key.pem", "ca.pem"].map(certificates.read)
        const host = Https.createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: false })
        const { connect, lines, relay } = yield* start({}, host)
        const web = yield* connect({ tls: certificates.client("client") })
        yield* assertRelays(web, yield* TcpClient.connect(relay.address.port), lines)
        assert.include(
          (yield* relay.clients).map(({ subject }) => subject),
          "CN=agent-7,O=Example"
        )
      })
  )
})

describe("a relay on a route of Effect's HttpRouter", () => {
  it.live("has its clients in the room of those of TCP, behind the middleware of the program", () =>
    Effect.gen(function* () {
      const mount = WebSocketMount.make()
      const { lines, relay } = yield* HostServer.relay({}, { webSocketListener: mount.layer })
      let asked = 0
      const port = yield* HostServer.serve(
        Layer.mergeAll(
          HttpRouter.add("GET", "/", HttpServerResponse.text("the page")),
          HttpRouter.add("GET", "/chat", mount.route),
          HttpRouter.middleware((served) => Effect.suspend(() => (asked++, served)), { global: true })
        )
      )
      const web = yield* WebSocketClient.connect(`ws://127.0.0.1:${port}/chat`)
      yield* assertRelays(web, yield* TcpClient.connect(relay.address.port), lines)
      assert.strictEqual(asked, 1)
      const plain = yield* Effect.promise(() => fetch(`http://127.0.0.1:${port}/chat`))
      assert.strictEqual(plain.status, 426)
      assert.strictEqual(
        yield* Effect.promise(() => fetch(`http://127.0.0.1:${port}/`).then((r) => r.text())),
        "the page"
      )
      web.socket.end(WebSocketClient.frame(WebSocketClient.CLOSE, Uint8Array.of(3, 232)))
      assert.deepStrictEqual(yield* web.closed, { code: 1000, rest: [] })
    })
  )
})
