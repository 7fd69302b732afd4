import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/**
 * The clock of an effect on which time passes `factor` times as fast, from now on: for a real server whose seconds a test
 * does not want to wait for. It must have no limit that a slow machine could then meet.
 */
export const make = (factor: number): Effect.Effect<Clock.Clock> =>
  Effect.map(Clock.Clock, (clock): Clock.Clock => {
    const fromMillis = clock.currentTimeMillisUnsafe()
    const fromNanos = clock.currentTimeNanosUnsafe()
    const fromMonotonicNanos = clock.monotonicTimeNanosUnsafe()
    const currentTimeMillisUnsafe = () => fromMillis + (clock.currentTimeMillisUnsafe() - fromMillis) * factor
    const currentTimeNanosUnsafe = () => fromNanos + (clock.currentTimeNanosUnsafe() - fromNanos) * BigInt(factor)
    const monotonicTimeNanosUnsafe = () =>
      fromMonotonicNanos + (clock.monotonicTimeNanosUnsafe() - fromMonotonicNanos) * BigInt(factor)
    return {
      currentTimeMillisUnsafe,
      currentTimeMillis: Effect.sync(currentTimeMillisUnsafe),
      currentTimeNanosUnsafe,
      currentTimeNanos: Effect.sync(currentTimeNanosUnsafe),
      monotonicTimeNanosUnsafe,
      monotonicTimeNanos: Effect.sync(monotonicTimeNanosUnsafe),
      sleep: (duration) => clock.sleep(Duration.millis(Duration.toMillis(duration) / factor))
    }
  })
