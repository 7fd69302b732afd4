import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { monotonicMillis } from "../../src/internal/time.ts"

/**
 * The clock of a process that is stopped for a while within one of its sleeps.
 *
 * @param sleep which one, counted from 1
 * @returns `slept` has the ends of the sleeps, without the stop
 */
export const make = (millis: number, sleep = 1) =>
  Effect.map(Clock.Clock, (clock) => {
    let late = 0n
    const slept: Array<number> = []
    const stopped: Clock.Clock = Object.assign(Object.create(clock), {
      monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe() + late,
      sleep: (duration: Parameters<typeof clock.sleep>[0]) =>
        Effect.tap(clock.sleep(duration), () =>
          Effect.sync(() => {
            slept.push(monotonicMillis(clock))
            if (slept.length === sleep) late = BigInt(millis) * 1_000_000n
          })
        )
    })
    return { stopped, slept }
  })
