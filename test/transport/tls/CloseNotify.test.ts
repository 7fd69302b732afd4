import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Net from "node:net"
import { Duplex } from "node:stream"
import * as Tls from "node:tls"
import * as CloseNotify from "../../../src/transport/tls/CloseNotify.ts"
import * as Certificates from "../../support/Certificates.ts"

/** More than Node reads ahead: the end arrives while the reader has paused. */
const BYTES = 400_000

/** How the bytes of a client end for a server that pauses after each chunk. */
const isCutOff = Effect.fnUntraced(function* (maxVersion: Tls.SecureVersion, end: "close_notify" | "FIN") {
  const certificates = yield* Certificates.make
  const tls = Tls.createServer({ cert: certificates.read("server.pem"), key: certificates.read("server-key.pem") })
  const server = yield* Effect.acquireRelease(
    Effect.callback<Net.Server>((resume) => {
      const server = Net.createServer((socket) => void tls.emit("connection", socket))
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )
  const { port } = server.address() as Net.AddressInfo
  return yield* Effect.callback<boolean>((resume) => {
    let bytes = 0
    tls.once("secureConnection", (socket) => {
      CloseNotify.watch(socket)
      socket
        .on("error", () => {})
        .on("data", (chunk) => {
          bytes += chunk.length
          socket.pause()
          setTimeout(() => socket.resume(), 1)
        })
      socket.once("end", () => {
        socket.destroy()
        assert.strictEqual(bytes, BYTES)
        resume(Effect.succeed(CloseNotify.isCutOff(socket)))
      })
    })
    const tcp = Net.connect(port, "127.0.0.1").on("error", () => {})
    const below = new Duplex({
      read() {},
      write: (chunk: Buffer, _encoding, done) => void tcp.write(chunk, () => done()),
      final: (done) => void tcp.end(done)
    })
    tcp.on("data", (chunk) => below.push(chunk))
    const client = Tls.connect({ socket: below, maxVersion, ...certificates.client() }).on("error", () => {})
    client.write(Buffer.alloc(BYTES), () => void (end === "FIN" ? tcp.end() : client.end()))
    return Effect.sync(() => tcp.destroy())
  })
})

describe.skipIf(!Certificates.hasOpenssl).each(["TLSv1.2", "TLSv1.3"] as const)(
  `the end of %s${Certificates.withOpenssl}`,
  (version) => {
    it.live("is orderly with a close_notify, also while the reader pauses", () =>
      Effect.gen(function* () {
        assert.isFalse(yield* isCutOff(version, "close_notify"))
      })
    )

    it.live("is none with the end of TCP alone", () =>
      Effect.gen(function* () {
        assert.isTrue(yield* isCutOff(version, "FIN"))
      })
    )
  }
)
