import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { RelayLogger } from "../../src/logging/RelayLogger.ts"
import { ClientRegistry } from "../../src/session/ClientRegistry.ts"
import { SERVER_FULL } from "../../src/session/Incidents.ts"
import { RefusalLog } from "../../src/session/RefusalLog.ts"

describe("the log of refused connections", () => {
  it.effect(
    "has the first at once, and how many followed within ten seconds, though no further client connects",
    () => {
      const log: Array<string> = []
      return Effect.gen(function* () {
        const { refusedUnsafe } = yield* RefusalLog
        refusedUnsafe("10.0.0.1", SERVER_FULL)
        const first = "WARNING connections refused: server full; last from 10.0.0.1"
        assert.deepStrictEqual(log, [first])
        for (let i = 0; i < 300; i++) refusedUnsafe("10.0.0.2", SERVER_FULL)
        yield* TestClock.adjust("9 seconds")
        assert.deepStrictEqual(log, [first])
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(log.slice(1), ["WARNING connections refused: server full 300 times; last from 10.0.0.2"])
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(log.length, 2)
      }).pipe(
        Effect.provide(
          RefusalLog.layer.pipe(Layer.provide(ClientRegistry.layer), Layer.provide(RelayLogger.layerTest(log)))
        )
      )
    }
  )
})
