import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** A minute with one hundredth to spare: what the network holds back must not come within the next minute of the server. */
const MINUTE = Duration.toNanosUnsafe("60600 millis")

/** Spaces what comes after it evenly. `rate`: how often it may be done in a minute. */
export const pacing = (rate: number): Effect.Effect<void> => {
  const interval = MINUTE / BigInt(rate)
  let next = 0n
  return Effect.gen(function* () {
    const now = yield* Clock.monotonicTimeNanos
    const wait = next - now
    next = (wait > 0n ? next : now) + interval
    if (wait > 0n) yield* Effect.sleep(Duration.nanos(wait))
  })
}
