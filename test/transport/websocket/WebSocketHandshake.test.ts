import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Net from "node:net"
import * as WebSocketClient from "../../support/WebSocketClient.ts"
import * as Server from "../../support/Server.ts"

const start = Effect.map(Server.start({ websocket: { port: 0 } }), ({ relay }) => relay.webSocketUrl ?? "")

/** The status that a request gets, and the connection, which is gone with the scope. */
const ask = Effect.fnUntraced(function* (url: string, lines: ReadonlyArray<string>, body = "") {
  const answered = yield* Deferred.make<string>()
  const socket = yield* Effect.acquireRelease(
    Effect.sync(() => Net.connect(Number(new URL(url).port), "127.0.0.1")),
    (socket) => Effect.sync(() => socket.destroy())
  )
  let text = ""
  socket.setEncoding("latin1").on("data", (more) => {
    text += more
    if (text.includes("\r\n\r\n")) Deferred.doneUnsafe(answered, Effect.succeed(text))
  })
  socket.on("error", () => {}).on("close", () => Deferred.doneUnsafe(answered, Effect.succeed(text)))
  socket.write(`${lines.join("\r\n")}\r\n\r\n${body}`)
  const answer = yield* Deferred.await(answered)
  return { answer, socket, status: Number(answer.slice(9, 12)) }
})

const GET = "GET / HTTP/1.1"
const HOST = "Host: relay.example"
const CONNECTION = "Connection: Upgrade"
const UPGRADE = "Upgrade: websocket"
const REST = ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]
const HANDSHAKE = [GET, HOST, CONNECTION, UPGRADE, ...REST]

/** The handshake with some of its lines replaced; by nothing, if by "". */
const but = (...changes: ReadonlyArray<readonly [line: string, by: string]>) =>
  HANDSHAKE.flatMap((line) => {
    const change = changes.find(([changed]) => changed === line)
    return change === undefined ? [line] : change[1] === "" ? [] : [change[1]]
  })

const cases: ReadonlyArray<readonly [what: string, lines: ReadonlyArray<string>, status: number]> = [
  ["in the ordinary form", HANDSHAKE, 101],
  ["for a whole URL", but([GET, "GET http://relay.example/?room=1 HTTP/1.1"]), 101],
  ["for a whole URL without a path", but([GET, "GET ws://relay.example HTTP/1.1"]), 101],
  ["for a whole URL of another path", but([GET, "GET http://relay.example/other HTTP/1.1"]), 404],
  ["with several protocols to upgrade to", but([UPGRADE, "Upgrade: h2c, websocket"]), 101],
  ["with a protocol that nobody knows, and WebSocket in capitals", but([UPGRADE, "Upgrade: foo, WebSocket"]), 101],
  ["with several connection options", but([CONNECTION, "Connection: keep-alive, UPGRADE"]), 101],
  ["with a length of zero", [...HANDSHAKE, "Content-Length: 0"], 101],
  ["without a host", but([HOST, ""]), 400],
  ["with two hosts", [...HANDSHAKE, "Host: other.example"], 400],
  ["of HTTP/1.0", but([GET, "GET / HTTP/1.0"]), 426],
  ["without a Connection header", but([CONNECTION, ""]), 426],
  ["without upgrade in its Connection header", but([CONNECTION, "Connection: keep-alive"]), 426],
  ["without WebSocket in its Upgrade header", but([UPGRADE, "Upgrade: h2c"]), 426],
  ["with a length", [...HANDSHAKE, "Content-Length: 1000000000000"], 400],
  ["with a body in chunks", [...HANDSHAKE, "Transfer-Encoding: chunked"], 400],
  ["that expects to be told to go on", [...HANDSHAKE, "Expect: 100-continue"], 101],
  ["with a length, and without an upgrade", [...but([CONNECTION, ""]), "Content-Length: 1000000000000"], 426],
  ["with a length that expects something", [...but([CONNECTION, ""]), "Content-Length: 9", "Expect: cake"], 426]
]

describe("a WebSocket handshake", () => {
  it.live.each(cases)("%s is answered", ([, lines, status]) =>
    Effect.gen(function* () {
      const url = yield* start
      const asked = yield* ask(url, lines)
      assert.strictEqual(asked.status, status, asked.answer)
      if (status === 426) assert.match(asked.answer, /\r\nUpgrade: websocket\r\n/)
      if (status === 426) assert.match(asked.answer, /\r\nConnection: close, Upgrade\r\n/)
    })
  )

  it.live("that is refused does not have kept what was announced as its body", () =>
    Effect.gen(function* () {
      const url = yield* start
      const lines = [...but([CONNECTION, ""]), "Content-Length: 1000000000000"]
      const before = process.memoryUsage().arrayBuffers
      const { socket } = yield* ask(url, lines)
      const megabyte = Buffer.alloc(1024 * 1024)
      // Until it is cut.
      let most = 0
      yield* Effect.callback<void>((resume) => {
        const write = () => {
          most = Math.max(most, process.memoryUsage().arrayBuffers - before)
          if (socket.destroyed) return resume(Effect.void)
          socket.write(megabyte, write)
        }
        socket.on("close", () => resume(Effect.void))
        write()
      })
      assert.isBelow(most, 64 * 1024 * 1024)
    })
  )
})

describe("a WebSocket client", () => {
  const close = (payload: ReadonlyArray<number>) =>
    WebSocketClient.frame(WebSocketClient.CLOSE, Uint8Array.from(payload))
  const mask = [0, 0, 0, 0]
  const endings: ReadonlyArray<readonly [what: string, bytes: Uint8Array, code: number]> = [
    ["that writes a length of 125 in two bytes", Uint8Array.from([0x81, 0xfe, 0, 125, ...mask]), 1002],
    [
      "that writes a length of 65535 in eight bytes",
      Uint8Array.from([0x81, 0xff, 0, 0, 0, 0, 0, 0, 255, 255, ...mask]),
      1002
    ],
    ["whose reason for closing is not UTF-8", close([3, 232, 0xff]), 1007],
    ["whose reason for closing is UTF-8", close([3, 232, 0xc3, 0xab]), 1000]
  ]
  it.live.each(endings)("%s is answered with the right code", ([, bytes, code]) =>
    Effect.gen(function* () {
      const client = yield* WebSocketClient.connect(yield* start)
      client.socket.write(bytes)
      assert.strictEqual((yield* client.closed).code, code)
    })
  )
})
