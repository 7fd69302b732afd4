import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { RelayLogger } from "../../src/logging/RelayLogger.ts"
import { ClientLimits } from "../../src/limits/ClientLimits.ts"
import * as ConnectionGate from "../../src/session/ConnectionGate.ts"
import { noTotals } from "../../src/session/Incidents.ts"
import { Quarantine } from "../../src/limits/Quarantine.ts"

describe("the gate for connections", () => {
  it.effect(
    "logs the first refusal at once, and how many followed within ten seconds, though nobody else comes",
    () => {
      const log: Array<string> = []
      return Effect.gen(function* () {
        const door = yield* ConnectionGate.make(
          () => Effect.void,
          noTotals(),
          () => false
        )
        door.refusedUnsafe("10.0.0.1", "server full")
        const first = "WARNING connections refused: server full; last from 10.0.0.1"
        assert.deepStrictEqual(log, [first])
        for (let i = 0; i < 300; i++) door.refusedUnsafe("10.0.0.2", "server full")
        yield* TestClock.adjust("9 seconds")
        assert.deepStrictEqual(log, [first])
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(log.slice(1), ["WARNING connections refused: server full 300 times; last from 10.0.0.2"])
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(log.length, 2)
      }).pipe(
        Effect.provide(
          Layer.mergeAll(Quarantine.layerDisabled, ClientLimits.layerUnlimited, RelayLogger.layerTest(log))
        )
      )
    }
  )
})
