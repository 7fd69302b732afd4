import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { levels } from "../../src/config/ServerConfig.ts"
import { RelayLogger } from "../../src/logging/RelayLogger.ts"
import { Lifecycle } from "../../src/session/Lifecycle.ts"

describe("the log of a server's life", () => {
  it.effect.each(levels)("says where the server listens, also at %s, and nothing else below its level", (log_level) =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      yield* Effect.gen(function* () {
        const { listening, stopped } = yield* Lifecycle
        yield* listening({ host: "::1", port: 8888 }, "ws://[::1]:8889/", [])
        yield* stopped
      }).pipe(Effect.provide(Layer.merge(Lifecycle.layer, RelayLogger.layerTest(lines, { log_level }))))
      assert.deepStrictEqual(lines, [
        "INFO listening on [::1]:8888",
        "INFO listening on ws://[::1]:8889/",
        ...(["DEBUG", "INFO"].includes(log_level) ? ["INFO shutdown complete"] : [])
      ])
    })
  )
})
