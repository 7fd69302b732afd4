import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Net from "node:net"
import * as Tls from "node:tls"
import { isClientHello } from "../../../src/transport/tls/ClientHello.ts"

/** The first bytes of Node's own TLS client. */
const hello = (options: Tls.ConnectionOptions) =>
  Effect.callback<Buffer>((resume) => {
    const server = Net.createServer((socket) => {
      socket.once("data", (bytes: Buffer) => {
        socket.destroy()
        server.close()
        resume(Effect.succeed(bytes))
      })
    })
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as Net.AddressInfo
      Tls.connect({ host: "127.0.0.1", port, ...options }).on("error", () => {})
    })
  })

describe("a ClientHello", () => {
  it.live.each([
    { maxVersion: "TLSv1.2" },
    { maxVersion: "TLSv1.3" },
    { minVersion: "TLSv1.3", servername: "example.org", ALPNProtocols: ["h2"] }
  ] as const)("is what a client of %j sends, and nothing close to it", (options) =>
    Effect.gen(function* () {
      const bytes = yield* hello(options)
      assert.isTrue(isClientHello(bytes))
      assert.isTrue(isClientHello(bytes.subarray(0, 11)))
      for (let length = 0; length < 11; length++) assert.isFalse(isClientHello(bytes.subarray(0, length)))
      for (let i = 0; i < 11; i++) {
        const other = Buffer.from(bytes)
        other[i] = 0xff
        assert.isFalse(isClientHello(other), `byte ${i}`)
      }
    })
  )

  it("is no line that begins with the same control characters", () => {
    assert.isFalse(isClientHello(Buffer.from("\u0016\u0003\u0001 a line of text\n")))
    assert.isFalse(isClientHello(Buffer.from("\u0016\u0003\u0001\u0002\u0000\u0001 a line of text\n")))
  })
})
