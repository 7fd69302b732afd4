/** A terabyte announced as the body of a request: the first bytes of it come, as fast as they are taken. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Http from "node:http"
import * as Net from "node:net"
import * as Tls from "node:tls"
import * as AdminMount from "../../src/admin/AdminMount.ts"
import * as WebSocketMount from "../../src/transport/websocket/WebSocketMount.ts"
import * as Certificates from "../support/Certificates.ts"
import * as HostServer from "../support/HostServer.ts"
import * as Server from "../support/Server.ts"
import * as WebSocketClient from "../support/WebSocketClient.ts"

const MIB = 1024 * 1024
/** Sent at most; a server that keeps it has more than `KEPT_BYTES`. */
const SENT_BYTES = 256 * MIB
/** Buffers that are read and not collected yet among them. */
const KEPT_BYTES = 128 * MIB

const TOKEN = "s3cret"
const LENGTH = "Content-Length: 1000000000000"
const UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13"
const KEY = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="

const handshake = { "a handshake": `GET / HTTP/1.1\r\nHost: localhost\r\n${UPGRADE}\r\n${KEY}\r\n${LENGTH}` }

const webSocketRequests = {
  ...handshake,
  "a handshake without Connection: Upgrade": `GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n${KEY}\r\n${LENGTH}`,
  "a request for the page": `GET / HTTP/1.1\r\nHost: localhost\r\n${LENGTH}`
}

const adminRequests = (prefix: string) => ({
  "a request to read": `GET ${prefix}/api/stats HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\nConnection: close\r\n${LENGTH}`,
  "a request to act": `POST ${prefix}/api/lift HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Type: application/json\r\n${LENGTH}`,
  "a request in chunks": `POST ${prefix}/api/lift HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n10000000000`,
  "a request without the token": `POST ${prefix}/api/drain HTTP/1.1\r\nHost: localhost\r\n${LENGTH}`,
  "a request to upgrade": `GET ${prefix}/healthz HTTP/1.1\r\nHost: localhost\r\n${UPGRADE}\r\n${LENGTH}`
})

/** Sends until the server has cut the connection, or all of it is sent; how much more memory buffers took at most. */
const most = (port: number, request: string, tls?: Tls.ConnectionOptions) =>
  Effect.callback<number>((resume) => {
    const target = { port, host: "127.0.0.1" }
    const socket = tls === undefined ? Net.connect(target) : Tls.connect({ ...target, ...tls })
    // What a server that took it for a client would read.
    const megabyte = WebSocketClient.frame(WebSocketClient.BINARY, Buffer.alloc(MIB))
    const before = process.memoryUsage().arrayBuffers
    let most = 0
    let sent = 0
    const write = () => {
      most = Math.max(most, process.memoryUsage().arrayBuffers - before)
      if (socket.destroyed || sent >= SENT_BYTES) return socket.destroy()
      sent += megabyte.length
      socket.write(megabyte, write)
    }
    socket
      .on("error", () => {})
      .on("close", () => resume(Effect.succeed(most)))
      .resume()
      .once(tls === undefined ? "connect" : "secureConnect", () => socket.write(`${request}\r\n\r\n`, write))
    return Effect.sync(() => socket.destroy())
  })

const portOf = (url: string | undefined) => Number(new URL(url!).port)

const suite = (
  what: string,
  requests: Readonly<Record<string, string>>,
  serve: Effect.Effect<{ readonly port: number; readonly tls?: Tls.ConnectionOptions }, any, any>,
  skip = false
) =>
  describe.skipIf(skip)(`a terabyte announced to ${what}`, () => {
    for (const [name, request] of Object.entries(requests)) {
      it.live(`by ${name} is not kept`, () =>
        Effect.gen(function* () {
          const { port, tls } = yield* serve
          assert.isBelow(yield* most(port, request, tls), KEPT_BYTES)
        })
      )
    }
  })

suite(
  "the WebSocket port, with the page,",
  webSocketRequests,
  Effect.map(Server.start({ websocket: { port: 0, page: true } }), ({ relay }) => ({
    port: portOf(relay.webSocketUrl)
  }))
)

suite(
  `the WebSocket port with TLS${Certificates.withOpenssl}`,
  webSocketRequests,
  Effect.gen(function* () {
    const certificates = yield* Certificates.make
    const { relay } = yield* Server.start({ tls: certificates.config, websocket: { port: 0 } })
    return { port: portOf(relay.webSocketUrl), tls: certificates.client() }
  }),
  !Certificates.hasOpenssl
)

suite(
  "a mount for WebSocket clients",
  // The others are for the program.
  handshake,
  Effect.gen(function* () {
    const mount = WebSocketMount.make()
    yield* HostServer.relay({}, { webSocketListener: mount.layer })
    const host = Http.createServer((_request, response) => response.end("the page"))
    return { port: yield* HostServer.listen(host.on("upgrade", mount.handleUpgrade)) }
  })
)

suite(
  "the admin port",
  adminRequests(""),
  Effect.map(Server.start({ admin: { port: 0, token: TOKEN } }), ({ relay }) => ({ port: relay.adminAddress!.port }))
)

suite(
  "a mount of the admin API",
  adminRequests("/ops"),
  Effect.gen(function* () {
    const mount = AdminMount.make("/ops")
    yield* HostServer.relay({ admin: { token: TOKEN } }, { adminServer: mount.layer })
    const host = Http.createServer((request, response) => void mount.handle(request, response))
    return { port: yield* HostServer.listen(host) }
  })
)
