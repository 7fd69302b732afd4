import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Net from "node:net"
import { Duplex } from "node:stream"
import * as Tls from "node:tls"
import { afterAll, beforeAll } from "vitest"
import * as Certificates from "../support/Certificates.ts"
import * as TcpClient from "../support/TcpClient.ts"
import { threadCounts } from "../support/threadCounts.ts"
import * as Threads from "../support/Threads.ts"
import * as WebSocketClient from "../support/WebSocketClient.ts"

const CONTENT = "transfer 10"

/** The address that must send a PROXY header. */
const PROXY = "127.0.0.2"

interface Case {
  readonly name: string
  readonly webSocket?: boolean
  readonly tls?: boolean
  readonly proxy?: boolean
  /** What the client sends last: a line, or a message, without its end. */
  readonly bytes?: Uint8Array
  readonly end: "FIN" | "RST" | "orderly"
}

/** A frame that announces more than it has. */
const cutFrame = WebSocketClient.frame(WebSocketClient.TEXT, `${CONTENT}00 to bob`).subarray(0, 6 + CONTENT.length)
/** A message of which one frame is missing. */
const firstFrame = WebSocketClient.frame(WebSocketClient.TEXT, CONTENT, { fin: false })

const plain: ReadonlyArray<Case> = [
  { name: "TCP, reset", end: "RST" },
  { name: "TCP with a PROXY header, reset", proxy: true, end: "RST" },
  { name: "a WebSocket that ends within a frame", webSocket: true, bytes: cutFrame, end: "FIN" },
  { name: "a WebSocket that ends between the frames of a message", webSocket: true, bytes: firstFrame, end: "FIN" },
  { name: "a WebSocket, reset", webSocket: true, bytes: cutFrame, end: "RST" },
  { name: "TCP, half-closed", end: "orderly" },
  { name: "TCP with a PROXY header, half-closed", proxy: true, end: "orderly" }
]

const secured: ReadonlyArray<Case> = [
  { name: "TLS without close_notify", tls: true, end: "FIN" },
  { name: "TLS, reset", tls: true, end: "RST" },
  { name: "TLS with a PROXY header, without close_notify", tls: true, proxy: true, end: "FIN" },
  {
    name: "a WebSocket over TLS that ends within a frame, without close_notify",
    tls: true,
    webSocket: true,
    bytes: cutFrame,
    end: "FIN"
  },
  { name: "TLS with close_notify", tls: true, end: "orderly" },
  { name: "TLS with a PROXY header, with close_notify", tls: true, proxy: true, end: "orderly" }
]

type Running = Effect.Success<ReturnType<typeof Threads.start>>

/** A client whose connection can be cut: TLS does not know the TCP socket below it. */
const connect = Effect.fnUntraced(function* (
  server: Running,
  { proxy, tls, webSocket }: Case,
  ca: Tls.ConnectionOptions
) {
  const port = webSocket === true ? Number(new URL(server.relay.webSocketUrl!).port) : server.port
  const options = { port, host: "127.0.0.1", noDelay: true, ...(proxy === true && { localAddress: PROXY }) }
  const tcp = yield* Effect.acquireRelease(
    Effect.callback<Net.Socket>((resume) => {
      const socket = Net.connect(options, () => resume(Effect.succeed(socket)))
      socket.on("error", () => {})
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )
  const address = proxy === true ? `10.0.0.7:${tcp.localPort}` : `${tcp.localAddress}:${tcp.localPort}`
  if (proxy === true) tcp.write(`PROXY TCP4 10.0.0.7 127.0.0.1 ${tcp.localPort} ${port}\r\n`)
  if (tls !== true) return { address, tcp, stream: tcp }
  const below = new Duplex({
    read() {},
    write: (chunk: Buffer, _encoding, done) => void tcp.write(chunk, () => done()),
    final: (done) => void tcp.end(done)
  })
  tcp.on("data", (chunk) => below.push(chunk))
  const stream = Tls.connect({ socket: below, ...ca }).on("error", () => {})
  yield* Effect.callback<void>((resume) => void stream.once("secureConnect", () => resume(Effect.void)))
  return { address, tcp, stream }
})

const HANDSHAKE =
  "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"

/** Sends an unfinished line and ends as the case says, once the server has read it; what others then hear, and the log. */
const end = Effect.fnUntraced(function* (server: Running, ca: Tls.ConnectionOptions, which: Case) {
  const tls = which.tls === true ? { tls: ca } : {}
  const [a, b] = [yield* TcpClient.connect(server.port, tls), yield* TcpClient.connect(server.port, tls)]
  yield* TcpClient.settled(a, b)
  const { address, stream, tcp } = yield* connect(server, which, ca)
  if (which.webSocket === true) stream.write(HANDSHAKE)
  stream.write(which.bytes ?? CONTENT)
  const sender = Effect.map(server.relay.clients, (clients) => clients.find((client) => client.address === address))
  while (((yield* sender)?.bytesIn ?? 0) < CONTENT.length) yield* Effect.sleep("1 millis")
  if (which.end === "orderly") stream.end()
  else if (which.end === "FIN") tcp.end()
  else tcp.resetAndDestroy()
  yield* server.logged(new RegExp(`${address} disconnected: `))
  a.send("afterwards\n")
  return {
    heard: (yield* b.lines(which.end === "orderly" ? 2 : 1)).map((line) => JSON.parse(line).content as string),
    log: server.lines.findLast((line) => line.includes(`${address} disconnected: `))!
  }
})

const suite = (what: string, cases: ReadonlyArray<Case>, skip: boolean) =>
  describe.skipIf(skip).each(threadCounts)(`an unfinished line over ${what}, with %i thread(s),`, (worker_threads) => {
    const scope = Scope.makeUnsafe()
    let server: Running
    let ca: Tls.ConnectionOptions = {}
    beforeAll(() =>
      Effect.gen(function* () {
        const certificates = cases === secured ? yield* Certificates.make : undefined
        if (certificates !== undefined) ca = certificates.client()
        server = yield* Threads.start({
          websocket: { port: 0 },
          ...(certificates !== undefined && { tls: certificates.config }),
          hyper_parameters: { worker_threads, trusted_proxies: [PROXY] }
        })
      }).pipe(Scope.provide(scope), Effect.runPromise)
    )
    afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

    for (const which of cases) {
      it.live(`${which.end === "orderly" ? "counts after" : "is discarded, and logged, after"} ${which.name}`, () =>
        Effect.gen(function* () {
          const { heard, log } = yield* end(server, ca, which)
          if (which.end === "orderly") {
            // Lines of two threads come in either order.
            assert.sameMembers(heard, [CONTENT, "afterwards"])
            assert.include(log, "closed by the client")
          } else {
            assert.deepStrictEqual(heard, ["afterwards"])
            assert.include(log, `; ${CONTENT.length} bytes of an unfinished line were discarded`)
          }
        })
      )
    }
  })

suite("plain TCP", plain, false)
suite(`TLS${Certificates.withOpenssl}`, secured, !Certificates.hasOpenssl)
