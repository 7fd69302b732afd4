import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { monotonicMillis } from "../../src/internal/monotonicClock.ts"
import { sleepAwake } from "../../src/internal/sleepAwake.ts"

/** A clock by which each sleep takes so many milliseconds longer; `slept` has their ends. */
const lateBy = (millis: number) =>
  Effect.map(Clock.Clock, (clock) => {
    let late = 0n
    const slept: Array<number> = []
    const stopped: Clock.Clock = Object.assign(Object.create(clock), {
      monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe() + late,
      sleep: (duration: Parameters<typeof clock.sleep>[0]) =>
        Effect.tap(clock.sleep(duration), () =>
          Effect.sync(() => {
            late += BigInt(millis) * 1_000_000n
            slept.push(monotonicMillis(clock))
          })
        )
    })
    return { stopped, slept }
  })

describe("a sleep before a judgement", () => {
  it.effect("takes its time, also when it ends a little late", () =>
    Effect.gen(function* () {
      const { slept, stopped } = yield* lateBy(999)
      yield* Effect.forkChild(Effect.provideService(sleepAwake(5000), Clock.Clock, stopped))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(slept, [5000])
    })
  )

  it.effect("takes a second more when the process was stopped meanwhile", () =>
    Effect.gen(function* () {
      const { slept, stopped } = yield* lateBy(10_000)
      yield* Effect.forkChild(Effect.provideService(sleepAwake(5000), Clock.Clock, stopped))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(slept, [5000, 6000])
    })
  )
})
