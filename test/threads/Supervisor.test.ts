import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { untilStuck } from "../../src/threads/Supervisor.ts"

describe("a thread", () => {
  it.effect("is stuck once its count has stayed the same for the limit in a row, and not before", () =>
    Effect.gen(function* () {
      let beats = 0
      const stuck = yield* Effect.forkChild(
        untilStuck(() => beats, 30),
        { startImmediately: true }
      )
      for (let i = 0; i < 100; i++) {
        beats++
        yield* TestClock.adjust("1 second")
      }
      yield* TestClock.adjust("29 seconds")
      // One beat, and it has all the time again.
      beats++
      yield* TestClock.adjust("30 seconds")
      assert.isUndefined(stuck.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.isDefined(stuck.pollUnsafe())
    })
  )
})
