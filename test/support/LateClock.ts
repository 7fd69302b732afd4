import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { monotonicMillis } from "../../src/internal/monotonicClock.ts"

/** The clock of a process that is stopped within each sleep, for so many milliseconds; `slept` has the ends of the sleeps, without them. */
export const make = (millis: number) =>
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
