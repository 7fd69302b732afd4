import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as NetServer from "../../src/transport/NetServer.ts"
import * as Loopback from "../support/Loopback.ts"

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
