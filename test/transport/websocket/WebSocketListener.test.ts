import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { RelayLogger } from "../../../src/logging/RelayLogger.ts"
import { ListenError } from "../../../src/session/Listener.ts"
import { RelayServer } from "../../../src/RelayServer.ts"
import { ServerConfig } from "../../../src/config/ServerConfig.ts"
import * as Certificates from "../../support/Certificates.ts"
import * as Server from "../../support/Server.ts"
import * as TcpClient from "../../support/TcpClient.ts"
import * as WebSocketClient from "../../support/WebSocketClient.ts"

type Overrides = NonNullable<Parameters<typeof ServerConfig.layerTest>[0]>

/** Starts a server for both kinds of clients; it stops with the scope. */
const start = Effect.fnUntraced(function* (overrides: Overrides = {}, lines: Array<string> = []) {
  const { websocket, ...others } = overrides
  const config = ServerConfig.layerTest({ port: 0, websocket: { port: 0, ...websocket }, ...others })
  const context = yield* Layer.build(
    RelayServer.layerServerConfig().pipe(Layer.provide(config), Layer.provide(RelayLogger.layerTest(lines)))
  )
  const server = yield* Effect.provideContext(RelayServer, context)
  const url = server.webSocketUrl ?? ""
  const connect = (options?: WebSocketClient.Options) => WebSocketClient.connect(url, options)
  const connectTcp = TcpClient.connect(server.address.port)
  return { server, url, connect, connectTcp }
})

const NOISY: Overrides = { hyper_parameters: { rate_limit_msgs_per_minute: 1_000_000 } }

const envelope = (client: { readonly address: string }, content: string) =>
  `{"remote_addr":${JSON.stringify(client.address)},"content":${JSON.stringify(content)}}`

/** Waits until so many clients are in the room. */
const inRoom = (server: RelayServer["Service"], count: number) =>
  server.changes.pipe(
    Stream.mapEffect(() => server.clients),
    Stream.takeUntil(({ length }) => length === count),
    Stream.runDrain
  )

describe("a room of TCP and WebSocket clients", () => {
  it.live("relays each line once, in order, to everybody but its sender", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const { connect, connectTcp, server } = yield* start(NOISY, log)
      const web = yield* connect()
      const tcp = yield* connectTcp
      const other = yield* connect()
      yield* inRoom(server, 3)
      assert.sameMembers(
        (yield* server.clients).map(({ address, transport }) => `${transport} ${address}`),
        [`websocket ${web.address}`, `tcp ${tcp.address}`, `websocket ${other.address}`]
      )
      assert.include(log, `INFO ${web.address} (websocket) connected (1 client)`)
      web.send('say "hi" to Zoë 😀')
      assert.strictEqual(yield* tcp.line, envelope(web, 'say "hi" to Zoë 😀'))
      assert.strictEqual(yield* other.line, envelope(web, 'say "hi" to Zoë 😀'))

      const words = Array.from({ length: 500 }, (_, i) => `${i} ${"x".repeat(i)}`)
      for (const word of words) web.send(word)
      tcp.send(words.map((word) => `${word}\n`).join(""))
      const fromWeb = words.map((word) => envelope(web, word))
      const fromTcp = words.map((word) => envelope(tcp, word))
      assert.deepStrictEqual(yield* tcp.lines(500), fromWeb)
      assert.deepStrictEqual(yield* web.lines(500), fromTcp)
      const all = yield* other.lines(1000)
      assert.deepStrictEqual(
        all.filter((line) => line.includes(web.address)),
        fromWeb
      )
      assert.deepStrictEqual(
        all.filter((line) => line.includes(tcp.address)),
        fromTcp
      )
    })
  )

  it.live("takes a message for a line, in whatever frames it comes", () =>
    Effect.gen(function* () {
      const { connect, connectTcp, server } = yield* start()
      const web = yield* connect()
      const tcp = yield* connectTcp
      yield* inRoom(server, 2)
      const { frame } = WebSocketClient
      web.socket.write(frame(WebSocketClient.TEXT, "in ", { fin: false }))
      web.socket.write(frame(WebSocketClient.PING, "still there?"))
      web.socket.write(frame(0, "parts"))
      web.socket.write(frame(WebSocketClient.BINARY, "binary"))
      for (const text of ["", "ended\n", "ended\r\n", "two\nlines"]) web.send(text)
      const contents = ["in parts", "binary", "", "ended", "ended", "two", "lines"]
      assert.deepStrictEqual(
        yield* tcp.lines(7),
        contents.map((content) => envelope(web, content))
      )
      assert.strictEqual(yield* web.pong, "still there?")
    })
  )

  it.live("drops a message that is too long or not UTF-8, with the notice, and takes the next one", () =>
    Effect.gen(function* () {
      const { connect, connectTcp, server } = yield* start({ hyper_parameters: { max_line_bytes: 1000 } })
      const web = yield* connect()
      const tcp = yield* connectTcp
      yield* inRoom(server, 2)
      web.send("x".repeat(1_000_000))
      assert.strictEqual(yield* web.line, "Warning: Message exceeds 1000 bytes and was dropped.")
      web.socket.write(WebSocketClient.frame(WebSocketClient.TEXT, Buffer.of(0x61, 0xff)))
      assert.strictEqual(yield* web.line, "Warning: Message is not valid UTF-8 and was dropped.")
      web.send("good")
      assert.strictEqual(yield* tcp.line, envelope(web, "good"))
    })
  )

  it.live("has one rate limit, and one text frame for each notice", () =>
    Effect.gen(function* () {
      const { connect } = yield* start({ hyper_parameters: { rate_limit_msgs_per_minute: 1 } })
      const web = yield* connect()
      for (const text of ["a", "b", "c"]) web.send(text)
      const notice = "Warning: You are sending messages too quickly. Please slow down."
      assert.deepStrictEqual(yield* web.lines(2), [notice, notice])
    })
  )

  it.live("has Node's own client in it", () =>
    Effect.gen(function* () {
      const { connectTcp, server, url } = yield* start()
      const tcp = yield* connectTcp
      const web = yield* Effect.acquireRelease(
        Effect.callback<WebSocket>((resume) => {
          const socket = new WebSocket(url)
          socket.onopen = () => resume(Effect.succeed(socket))
        }),
        (socket) => Effect.sync(() => socket.close())
      )
      yield* inRoom(server, 2)
      const received = Effect.callback<string>((resume) => {
        web.onmessage = ({ data }) => resume(Effect.succeed(data))
      })
      web.send("from a web client")
      const relayed = JSON.parse(yield* tcp.line)
      assert.strictEqual(relayed.content, "from a web client")
      tcp.send(`${"x".repeat(60_000)}\n`)
      assert.strictEqual(yield* received, envelope(tcp, "x".repeat(60_000)))
      const closed = Effect.callback<CloseEvent>((resume) => {
        web.onclose = (event) => resume(Effect.succeed(event))
      })
      web.close(4001, "enough")
      const { code, wasClean } = yield* closed
      assert.deepStrictEqual([code, wasClean], [4001, true])
    })
  )
})

describe("the end of a WebSocket client", () => {
  it.live("comes after all that it sent before its close frame, which is answered", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const { connect, connectTcp, server } = yield* start(NOISY, lines)
      const web = yield* connect()
      const tcp = yield* connectTcp
      yield* inRoom(server, 2)
      const { CLOSE, frame, TEXT } = WebSocketClient
      const words = Array.from({ length: 5000 }, (_, i) => `${i} ${"x".repeat(100)}`)
      web.socket.write(Buffer.concat([...words.map((word) => frame(TEXT, word)), frame(CLOSE, Buffer.of(0x0f, 0xa1))]))
      assert.deepStrictEqual(
        yield* tcp.lines(5000),
        words.map((word) => envelope(web, word))
      )
      assert.deepStrictEqual(yield* web.closed, { code: 4001, rest: [] })
      assert.match(lines.join("\n"), new RegExp(`INFO ${web.address} disconnected: closed by the client`))
    })
  )

  it.live("within a message discards that message", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const { connect, connectTcp, server } = yield* start({}, lines)
      const [a, b] = [yield* connect(), yield* connect()]
      const tcp = yield* connectTcp
      yield* inRoom(server, 3)
      const { CLOSE, frame, TEXT } = WebSocketClient
      a.send("whole")
      a.socket.end(frame(TEXT, "cut off").subarray(0, 9))
      assert.strictEqual(yield* tcp.line, envelope(a, "whole"))
      yield* a.closed
      b.socket.write(Buffer.concat([frame(TEXT, "not all of it", { fin: false }), frame(CLOSE, "")]))
      assert.deepStrictEqual((yield* b.closed).code, "none")
      yield* inRoom(server, 1)
      const log = lines.join("\n")
      for (const { address } of [a, b]) assert.include(log, `INFO ${address} disconnected: closed within a message`)
    })
  )

  it.live("for breaking the protocol comes with 1002", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const { connect } = yield* start({}, lines)
      const web = yield* connect()
      web.socket.write(WebSocketClient.frame(WebSocketClient.TEXT, "bare", { masked: false }))
      assert.deepStrictEqual(yield* web.closed, { code: 1002, rest: [] })
      assert.include(lines.join("\n"), "disconnected: protocol error: a frame without a mask")
    })
  )

  it.live("with the server comes with a notice and 1001, and does not wait for others", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const scope = yield* Scope.make()
      const { connect, connectTcp, server, url } = yield* Scope.provide(
        start(
          {
            hyper_parameters: {
              rate_limit_msgs_per_minute: 1_000_000,
              shutdown_grace_ms: 60_000,
              slow_consumer: { stall_grace_ms: 0 }
            }
          },
          lines
        ),
        scope
      )
      const web = yield* connect()
      // Its session lasts as long as it does not read: nobody else may have to wait for it.
      const stuck = yield* connect()
      const tcp = yield* connectTcp
      yield* inRoom(server, 3)
      stuck.socket.pause()
      // More than the kernel takes for it.
      while (!(yield* server.clients).some(({ bytesWaiting }) => bytesWaiting > 1_000_000)) {
        tcp.send(`${"x".repeat(60_000)}\n`)
        yield* web.line
      }
      web.socket.on("end", () => web.socket.end())
      tcp.socket.on("end", () => tcp.socket.end())
      const stopping = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      assert.deepStrictEqual(yield* tcp.rest, ["Warning: Server is shutting down."])
      const { code, rest } = yield* web.closed
      assert.deepStrictEqual([code, rest], [1001, ["Warning: Server is shutting down."]])
      stuck.socket.resume()
      assert.strictEqual((yield* stuck.closed).code, 1001)
      yield* Fiber.join(stopping)
      assert.notMatch(lines.join("\n"), /ERROR/)
      yield* start({ websocket: { port: Number(new URL(url).port) } })
    })
  )

  it.effect("for being idle comes with a notice and 1008, and pings do not delay it", () =>
    Effect.gen(function* () {
      const { connect, server } = yield* start({
        hyper_parameters: { client_timeout_secs: 3, timeout_check_interval_secs: 1 }
      })
      const web = yield* connect()
      yield* inRoom(server, 1)
      for (let second = 0; second < 2; second++) {
        yield* TestClock.adjust("1 second")
        web.socket.write(WebSocketClient.frame(WebSocketClient.PING, "I am here"))
        assert.strictEqual(yield* web.pong, "I am here")
      }
      assert.isFalse(web.socket.readableEnded)
      yield* TestClock.adjust("1 second")
      const end = yield* web.closed
      assert.deepStrictEqual(end, { code: 1008, rest: ["Warning: You have been disconnected due to inactivity."] })
    })
  )

  it.live("by backpressure comes with a notice, 1008 and a quarantine, which refuses with a notice and 1013", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const { connect, connectTcp, server } = yield* start(
        { hyper_parameters: { backpressure_policy: { disconnect_threshold: 1 } } },
        lines
      )
      const web = yield* connect()
      yield* connectTcp
      yield* inRoom(server, 2)
      web.send("too many listen")
      assert.deepStrictEqual(yield* web.closed, {
        code: 1008,
        rest: ["Warning: You have been disconnected due to backpressure."]
      })
      const back = yield* connect()
      assert.match(back.answer, /^HTTP\/1\.1 101 /)
      assert.deepStrictEqual(yield* back.closed, {
        code: 1013,
        rest: ["Warning: You are quarantined. Please try again in 300 seconds."]
      })
    })
  )
})

describe("a WebSocket client that does not read", () => {
  it.live("is disconnected at the hard limit, and others lose no line", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const { connect, connectTcp, server } = yield* start(
        {
          hyper_parameters: {
            rate_limit_msgs_per_minute: 1_000_000,
            shutdown_grace_ms: 0,
            slow_consumer: { soft_limit_bytes: 65_536, hard_limit_bytes: 4_000_000, stall_grace_ms: 0 }
          }
        },
        lines
      )
      const [slow, reader] = [yield* connect(), yield* connect()]
      const tcp = yield* connectTcp
      yield* inRoom(server, 3)
      slow.socket.pause()
      // The reader takes each line before the next one comes, so that it cannot be slow itself.
      // The log has all words, too.
      for (let i = 0; !lines.some((line) => line.slice(0, 100).includes(`${slow.address} disconnected: `)); i++) {
        const word = `${i} ${"x".repeat(60_000)}`
        tcp.send(`${word}\n`)
        assert.strictEqual(yield* reader.line, envelope(tcp, word))
      }
      const log = lines.join("\n")
      assert.include(log, `WARNING ${slow.address} disconnected: reading too slowly`)
      assert.deepStrictEqual(
        (yield* server.clients).map(({ address }) => address).toSorted(),
        [reader.address, tcp.address].toSorted()
      )
    })
  )

  it.live("loses the oldest lines under that policy, is told, and stays", () =>
    Effect.gen(function* () {
      const { connect, connectTcp, server } = yield* start({
        hyper_parameters: {
          rate_limit_msgs_per_minute: 1_000_000,
          slow_consumer: {
            policy: "drop_oldest",
            soft_limit_bytes: 65_536,
            hard_limit_bytes: 4_000_000,
            stall_grace_ms: 0
          }
        }
      })
      const [slow, reader] = [yield* connect(), yield* connect()]
      const tcp = yield* connectTcp
      yield* inRoom(server, 3)
      slow.socket.pause()
      let count = 0
      const send = Effect.suspend(() => {
        tcp.send(`${count++} ${"x".repeat(60_000)}\n`)
        return reader.line
      })
      while ((yield* server.stats).incidents["messages dropped"] === 0) yield* send
      for (let i = 0; i < 10; i++) yield* send
      slow.socket.resume()
      let received = 0
      let dropped = 0
      let last = -1
      while (last < count - 1) {
        const line = yield* slow.line
        const notice = /^Warning: You are reading too slowly and (\d+) messages? (?:was|were) dropped\.$/.exec(line)
        if (notice !== null) dropped += Number(notice[1])
        else {
          const number = Number.parseInt(JSON.parse(line).content)
          assert.isAbove(number, last)
          last = number
          received++
        }
      }
      assert.isAbove(dropped, 0)
      assert.strictEqual(received + dropped, count)
    })
  )
})

describe("the WebSocket handshake", () => {
  const cases: ReadonlyArray<readonly [string, WebSocketClient.Options, RegExp]> = [
    ["a wrong path", { path: "/elsewhere" }, /^HTTP\/1\.1 404 Not Found\r\n/],
    ["a method that is not GET", { method: "POST" }, /^HTTP\/1\.1 405 .*Allow: GET/s],
    [
      "a request that is none for a WebSocket",
      { headers: { Connection: "", Upgrade: "" } },
      /^HTTP\/1\.1 426 .*Upgrade: websocket/s
    ],
    ["another protocol", { headers: { Upgrade: "h2c" } }, /^HTTP\/1\.1 426 /],
    ["another version", { headers: { "Sec-WebSocket-Version": "8" } }, /^HTTP\/1\.1 426 .*Sec-WebSocket-Version: 13/s],
    ["no key", { headers: { "Sec-WebSocket-Key": "" } }, /^HTTP\/1\.1 400 /],
    ["a short key", { headers: { "Sec-WebSocket-Key": "c2hvcnQ=" } }, /^HTTP\/1\.1 400 /],
    ["headers that are too long", { headers: { Cookie: "x".repeat(20_000) } }, /^HTTP\/1\.1 4\d\d /],
    [
      "a page of a site that is not allowed",
      { headers: { Origin: "https://evil.example" } },
      /^HTTP\/1\.1 403 Forbidden/
    ],
    [
      "a page of a site that says it is here",
      { headers: { Origin: "http://relay.example", Host: "relay.example" } },
      /^HTTP\/1\.1 403 /
    ],
    ["a page of no site", { headers: { Origin: "null" } }, /^HTTP\/1\.1 403 /]
  ]
  it.live.each(cases)("refuses %s", ([, options, expected]) =>
    Effect.gen(function* () {
      const { connect, server } = yield* start({ websocket: { path: "/chat" } })
      const { answer, body } = yield* connect(options)
      assert.match(answer, expected)
      assert.match(answer, /Connection: close/)
      assert.match(yield* body, /^.+\n$/)
      const { incidents } = yield* server.stats
      assert.strictEqual(incidents["not a WebSocket handshake"] + incidents["origin not allowed"], 1)
      assert.match((yield* connect({ path: "/chat?room=1" })).answer, /^HTTP\/1\.1 101 /)
    })
  )

  it.live("lets pages of the listed origins in, and those of others after a reload", () =>
    Effect.gen(function* () {
      const websocket = { port: 0, origins: ["https://chat.example.com"] }
      const { relay, reload } = yield* Server.start({ websocket })
      const from = (Origin: string) =>
        Effect.map(WebSocketClient.connect(relay.webSocketUrl ?? "", { headers: { Origin } }), ({ answer }) =>
          answer.slice(9, 12)
        )
      assert.strictEqual(yield* from("https://chat.example.com"), "101")
      assert.strictEqual(yield* from("https://chat.example.com.evil.example"), "403")
      assert.strictEqual(yield* from("http://chat.example.com"), "403")
      yield* reload({ websocket: { ...websocket, origins: ["http://chat.example.com"] } })
      assert.strictEqual(yield* from("http://chat.example.com"), "101")
      assert.strictEqual(yield* from("https://chat.example.com"), "403")
    })
  )

  it.live('lets all pages in for "*"', () =>
    Effect.gen(function* () {
      const { connect } = yield* start({ websocket: { origins: ["*"] } })
      assert.match((yield* connect({ headers: { Origin: "https://any.example" } })).answer, /^HTTP\/1\.1 101 /)
    })
  )

  it.live("answers what is no HTTP with 400, and logs that it was refused", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const { url } = yield* start({}, lines)
      const lost = yield* TcpClient.connect(Number(new URL(url).port))
      lost.send("hello?\n")
      assert.strictEqual((yield* lost.rest).at(0), "HTTP/1.1 400 Bad Request\r")
      assert.include(lines, "WARNING connections refused: not a WebSocket handshake; last from 127.0.0.1")
    })
  )

  it.live("may be followed by a message in the same segment", () =>
    Effect.gen(function* () {
      const { connectTcp, server, url } = yield* start()
      const tcp = yield* connectTcp
      yield* inRoom(server, 1)
      const early = yield* TcpClient.connect(Number(new URL(url).port))
      const head = `GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n`
      const key = `Sec-WebSocket-Key: ${Buffer.alloc(16).toString("base64")}\r\n\r\n`
      early.send(Buffer.concat([Buffer.from(head + key), WebSocketClient.frame(WebSocketClient.TEXT, "early")]))
      assert.strictEqual(yield* tcp.line, envelope(early, "early"))
    })
  )

  it.live("comes after the deny list and the PROXY header, as for every connection", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const { connect, connectTcp, server } = yield* start(
        { hyper_parameters: { trusted_proxies: ["127.0.0.1"], deny: ["192.0.2.66"] } },
        lines
      )
      const preface = (ip: string) => `PROXY TCP4 ${ip} 192.0.2.2 4711 80\r\n`
      const tcp = yield* connectTcp
      tcp.send(preface("192.0.2.9"))
      const web = yield* connect({ preface: preface("192.0.2.1") })
      yield* inRoom(server, 2)
      web.send("from afar")
      assert.strictEqual(yield* tcp.line, envelope({ address: "192.0.2.1:4711" }, "from afar"))
      assert.strictEqual((yield* connect({ preface: preface("192.0.2.66") })).answer, "")
      assert.include(lines, "WARNING connections refused: not allowed; last from 192.0.2.66")
    })
  )
})

describe.skipIf(!Certificates.hasOpenssl)(`with TLS${Certificates.withOpenssl}`, () => {
  it.live("a WebSocket server is wss", () =>
    Effect.gen(function* () {
      const certificates = yield* Certificates.make
      const { connect, server, url } = yield* start({ tls: certificates.config })
      assert.match(url, /^wss:/)
      const [a, b] = [yield* connect({ tls: certificates.client() }), yield* connect({ tls: certificates.client() })]
      yield* inRoom(server, 2)
      a.send("x".repeat(60_000))
      assert.strictEqual(yield* b.line, envelope(a, "x".repeat(60_000)))
      b.socket.write(WebSocketClient.frame(WebSocketClient.CLOSE, Buffer.of(0x03, 0xe8)))
      assert.strictEqual((yield* b.closed).code, 1000)
    })
  )
})

describe("the limit of clients", () => {
  it.live.each([
    ["hyper_parameters.max_clients", { hyper_parameters: { max_clients: 2 } }],
    ["websocket.max_clients", { websocket: { max_clients: 1 } }]
  ] as const)("by %s refuses a WebSocket client with a notice and 1013", ([, overrides]) =>
    Effect.gen(function* () {
      const { connect, connectTcp, server } = yield* start(overrides)
      const tcp = yield* connectTcp
      const web = yield* connect()
      yield* inRoom(server, 2)
      const refused = yield* connect()
      assert.deepStrictEqual(yield* refused.closed, {
        code: 1013,
        rest: ["Warning: Server is full. Please try again later."]
      })
      web.socket.write(WebSocketClient.frame(WebSocketClient.CLOSE, ""))
      yield* web.closed
      yield* inRoom(server, 1)
      const next = yield* connect()
      next.send("at last")
      assert.strictEqual(yield* tcp.line, envelope(next, "at last"))
    })
  )
})

describe("a server with WebSocket", () => {
  it.live("says where it listens", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const { url } = yield* start({ websocket: { path: "/relay" } }, lines)
      assert.match(url, /^ws:\/\/127\.0\.0\.1:\d+\/relay$/)
      assert.include(lines, `INFO listening on ${url}`)
    })
  )

  it.live("does not start if it cannot listen for both", () =>
    Effect.gen(function* () {
      const { url } = yield* start()
      const port = Number(new URL(url).port)
      const lines: Array<string> = []
      const error = yield* Effect.flip(start({ websocket: { port } }, lines))
      assert.instanceOf(error, ListenError)
      assert.strictEqual(
        error.message,
        `cannot listen on 127.0.0.1:${port} (websocket.port): the port is already in use (EADDRINUSE)`
      )
      assert.notInclude(lines.join("\n"), "listening on")
    })
  )

  it.live("listens for TCP only if websocket.port is null", () =>
    Effect.gen(function* () {
      const { server } = yield* start({ websocket: { port: null } })
      assert.isUndefined(server.webSocketUrl)
    })
  )
})
