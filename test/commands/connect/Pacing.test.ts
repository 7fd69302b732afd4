import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { pacing } from "../../../src/commands/connect/Pacing.ts"

describe("the pace of connect --rate", () => {
  it.effect("lets through one at once, and never more in a minute than it may", () =>
    Effect.gen(function* () {
      const pace = pacing(6)
      let sent = 0
      yield* Effect.forkChild(Effect.forever(Effect.tap(pace, () => Effect.sync(() => sent++))), {
        startImmediately: true
      })
      assert.strictEqual(sent, 1)
      const byMinute = []
      for (let minute = 0; minute < 5; minute++) {
        const before = sent
        yield* TestClock.adjust("1 minute")
        byMinute.push(sent - before)
      }
      assert.deepStrictEqual(byMinute, [5, 6, 6, 6, 6])
    })
  )

  it.effect("saves nothing up while nothing is sent", () =>
    Effect.gen(function* () {
      const pace = pacing(60)
      yield* pace
      yield* TestClock.adjust("1 hour")
      yield* pace
      const second = yield* Effect.forkChild(pace, { startImmediately: true })
      yield* TestClock.adjust("1009 millis")
      assert.isUndefined(second.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.isDefined(second.pollUnsafe())
    })
  )
})
