import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Net from "node:net"
import { RelayLogger } from "../../src/logging/RelayLogger.ts"
import * as NetServer from "../../src/transport/NetServer.ts"
import * as Loopback from "../support/Loopback.ts"
import * as Server from "../support/Server.ts"

describe.skipIf(process.platform !== "linux")("an address that is claimed", () => {
  it.live("cannot be claimed by another server until that ends, and others can", () =>
    Effect.gen(function* () {
      const at = Loopback.address()
      const claim = NetServer.claim(at, "port")
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* claim
          const error = yield* Effect.flip(NetServer.claim(at, "websocket.port"))
          assert.strictEqual(error.code, "EADDRINUSE")
          assert.match(error.message, /websocket\.port/)
          yield* NetServer.claim(Loopback.address(), "port")
          yield* NetServer.claim({ ...at, host: "127.0.0.1" }, "port")
          // Which takes any.
          const free = { ...at, port: 0 }
          yield* NetServer.claim(free, "port")
          yield* NetServer.claim(free, "port")
        })
      )
      yield* Effect.scoped(claim)
    })
  )
})

describe("listeners of one process that cannot accept", () => {
  const fail = (server: Net.Server) => server.emit("error", Object.assign(new Error(), { code: "EMFILE" }))

  it.live("say so once, each time that it happens, also if the one that has said it ends meanwhile", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const [one, other, third] = [Net.createServer(), Net.createServer(), Net.createServer()]
      const keep = (server: Net.Server, accept_error_backoff_ms: number) =>
        NetServer.keep(server, { host: "127.0.0.1", port: 0 }, "port", { listen_backlog: 16, accept_error_backoff_ms })
      const ends = Effect.gen(function* () {
        yield* keep(third, 1_000_000)
        fail(third)
        yield* Server.until(() => lines.length > 0)
      })
      yield* Effect.scoped(ends)
      yield* keep(one, 1)
      yield* keep(other, 1)
      for (const count of [3, 5]) {
        fail(one)
        fail(other)
        yield* Server.until(() => lines.length >= count && one.listening && other.listening)
      }
      const both = ["cannot accept connections: EMFILE; trying again every 1 ms", "accepting connections again"]
      assert.deepStrictEqual(
        lines.map((line) => line.replace(/^(WARNING|INFO) | on 127.*/g, "")),
        ["cannot accept connections: EMFILE; trying again every 1000000 ms", ...both, ...both]
      )
    }).pipe(Effect.provide(RelayLogger.layerTest(lines)))
  })
})
