import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { sleepAwake } from "../../src/internal/time.ts"
import * as LateClock from "../support/LateClock.ts"

describe("a sleep before a judgement", () => {
  it.effect("takes its time, also when it ends a little late", () =>
    Effect.gen(function* () {
      const { slept, stopped } = yield* LateClock.make(999)
      yield* Effect.forkChild(Effect.provideService(sleepAwake(5000), Clock.Clock, stopped))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(slept, [5000])
    })
  )

  it.effect("takes a second more when the process was stopped meanwhile", () =>
    Effect.gen(function* () {
      const { slept, stopped } = yield* LateClock.make(10_000)
      yield* Effect.forkChild(Effect.provideService(sleepAwake(5000), Clock.Clock, stopped))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(slept, [5000, 6000])
    })
  )
})
