import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { EventEmitter, once } from "node:events"
import { createServer } from "node:http"
import * as Net from "node:net"
import { setImmediate as endOfTurn } from "node:timers/promises"
import * as Tls from "node:tls"
import type { Options } from "../../src/config/ServerConfig.ts"
import { discard } from "../../src/transport/discard.ts"
import { TcpConnection } from "../../src/transport/TcpConnection.ts"
import * as WebSocketMount from "../../src/transport/websocket/WebSocketMount.ts"
import * as Certificates from "../support/Certificates.ts"
import * as HostServer from "../support/HostServer.ts"
import * as SocketPair from "../support/SocketPair.ts"
import * as TcpClient from "../support/TcpClient.ts"

const PEER = { address: "127.0.0.1:1", ip: "127.0.0.1", transport: "tcp" }

const BYTES = 8 * 1024 * 1024

/** The most chunks that are read in one turn of the event loop, until the client's last. */
const mostInTurn = (socket: Net.Socket) =>
  Effect.callback<number>((resume) => {
    let most = 0
    let now = 0
    const onTurn = () => {
      most = Math.max(most, now)
      now = 0
      if (socket.readableEnded) resume(Effect.succeed(most))
      else setImmediate(onTurn)
    }
    socket.on("data", () => now++)
    setImmediate(onTurn)
  })

describe("what a client sends after its connection has ended", () => {
  it.live.each<readonly [who: string, begin: (socket: Net.Socket) => void]>([
    ["a client", (socket) => new TcpConnection(socket, PEER).endUnsafe()],
    ["one that was refused", discard],
    [
      "one that was refused while somebody read it",
      (socket) => {
        socket.on("data", () => assert.fail("read by somebody"))
        discard(socket)
        discard(socket)
      }
    ]
  ])("is read to its end, a chunk in a turn of the event loop: of %s", ([, begin]) =>
    Effect.gen(function* () {
      const { client, socket } = yield* SocketPair.make
      client.end(Buffer.alloc(BYTES))
      // More than one chunk waits.
      yield* Effect.promise(() => once(socket, "readable"))
      begin(socket)
      assert.strictEqual(yield* mostInTurn(socket), 1)
      assert.strictEqual(socket.bytesRead, BYTES)
    })
  )
})

/** The most bytes that this process reads in one turn of the event loop, by the port of the peer that they come from. */
const watchReads = Effect.acquireRelease(
  Effect.sync(() => {
    const { prototype } = Net.Socket
    const most = new Map<number, number>()
    const thisTurn = new Map<number, number>()
    prototype.emit = function (this: Net.Socket, event: string, ...values: Array<unknown>) {
      const port = this.remotePort
      if (event === "data" && port !== undefined) {
        if (thisTurn.size === 0) setImmediate(() => thisTurn.clear())
        const bytes = (thisTurn.get(port) ?? 0) + (values[0] as Uint8Array).length
        thisTurn.set(port, bytes)
        most.set(port, Math.max(most.get(port) ?? 0, bytes))
      }
      return Reflect.apply(EventEmitter.prototype.emit, this, [event, ...values])
    } as typeof prototype.emit
    return most
  }),
  () => Effect.sync(() => void Reflect.deleteProperty(Net.Socket.prototype, "emit"))
)

/** What Node.js reads at once. */
const CHUNK = 64 * 1024

/** More than the server reads in one turn of an ordinary client. */
const FLOOD = Buffer.alloc(4 * 1024 * 1024, "a")

const UPGRADE =
  "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"

/** Waits, without time that passes, until a line of the log has one of these texts. */
const logged = (lines: ReadonlyArray<string>, ...texts: ReadonlyArray<string>) =>
  Effect.promise(async () => {
    while (!lines.some((line) => texts.some((text) => line.includes(text)))) await endOfTurn()
  })

interface Flood {
  readonly who: string
  readonly options?: Options
  readonly isTls?: boolean
  readonly port?: "webSocket" | "admin" | "mount"
  /** What it sends before the flood. */
  readonly request?: string
}

const floods: ReadonlyArray<Flood> = [
  { who: "a client that was disconnected" },
  { who: "a client that was disconnected, over TLS", isTls: true },
  { who: "a client that was disconnected, over WebSocket", port: "webSocket", request: `${UPGRADE}\r\n` },
  { who: "a client for whom there is no place", options: { hyper_parameters: { max_clients: 1 } } },
  {
    who: "a WebSocket client for whom there is no place",
    options: { hyper_parameters: { max_clients: 1 } },
    port: "webSocket",
    request: `${UPGRADE}\r\n`
  },
  { who: "a page that may not connect", port: "webSocket", request: `${UPGRADE}Origin: http://elsewhere\r\n\r\n` },
  {
    who: "a page that may not connect, over TLS",
    isTls: true,
    port: "webSocket",
    request: `${UPGRADE}Origin: http://elsewhere\r\n\r\n`
  },
  {
    who: "a request with a body on the port of WebSocket",
    port: "webSocket",
    request: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4194304\r\n\r\n"
  },
  { who: "no HTTP on the port of WebSocket", port: "webSocket", request: "\u0001\r\n\r\n" },
  {
    who: "a browser that has asked for the chat",
    options: { websocket: { page: true } },
    port: "webSocket",
    request: "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
  },
  { who: "a client of a mount whose relay does not run", port: "mount", request: `${UPGRADE}\r\n` },
  { who: "no HTTP on the admin port", port: "admin", request: "\u0001\r\n\r\n" }
]

describe("a flood that nobody reads", () => {
  it.effect.each(floods.filter(({ isTls }) => isTls !== true || Certificates.hasOpenssl))(
    "is read a chunk in a turn of the event loop: of $who",
    Effect.fnUntraced(function* ({ isTls = false, options = {}, port, request = "", who }) {
      const most = yield* watchReads
      const certificates = isTls ? yield* Certificates.make : undefined
      // In which these are valid. No time passes from then on: the server goes on reading until the client ends.
      yield* TestClock.setTime(Date.now())
      const pem = certificates && { cert: certificates.path("server.pem"), key: certificates.path("server-key.pem") }
      const { lines, relay } = yield* HostServer.relay(
        { ...options, ...(pem && { tls: pem }), websocket: { port: 0, ...options.websocket }, admin: { port: 0 } },
        {}
      )
      const host = createServer().on("upgrade", WebSocketMount.make().handleUpgrade)
      const ports = {
        webSocket: Number(new URL(relay.webSocketUrl!).port),
        admin: relay.adminAddress!.port,
        mount: yield* HostServer.listen(host)
      }
      if (who.includes("no place")) {
        yield* TcpClient.connect(relay.address.port)
        yield* logged(lines, " connected (")
      }
      const target = { host: "127.0.0.1", port: port === undefined ? relay.address.port : ports[port] }
      const socket = certificates ? Tls.connect({ ...target, ca: certificates.read("ca.pem") }) : Net.connect(target)
      yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
      // Where the kernel takes little at once, the server ends it before it has sent everything.
      const closed = new Promise((resolve) => socket.on("error", () => {}).once("close", resolve))
      yield* Effect.promise(() => once(socket, isTls ? "secureConnect" : "connect"))
      const { localPort } = socket
      if (who.includes("disconnected")) {
        socket.write(request)
        yield* logged(lines, `:${localPort} (websocket) connected (`, `:${localPort} connected (`)
        const told = once(socket, "data")
        yield* relay.disconnect(`127.0.0.1:${localPort}`)
        yield* Effect.promise(() => told)
        socket.end(FLOOD)
      } else {
        socket.resume().end(Buffer.concat([Buffer.from(request), FLOOD]))
      }
      yield* Effect.promise(() => closed)
      // What comes with a request is read twice: put back, and discarded.
      assert.isAtMost(most.get(localPort!)!, request === "" ? CHUNK : 2 * CHUNK)
    })
  )
})
