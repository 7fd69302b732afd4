import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Milliseconds of the monotonic clock, for durations: unaffected by changes of the time of day and by suspending the machine. */
export const monotonicMillis = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

const AFTER_GAP_MILLIS = 1000

/**
 * Sleeps, before something is judged by its silence. After a time in which the process was stopped it sleeps for a second more, in which
 * what came meanwhile is read: timers run before sockets.
 */
export const sleepAwake = Effect.fnUntraced(function* (millis: number) {
  const clock = yield* Clock.Clock
  const before = monotonicMillis(clock)
  yield* Effect.sleep(millis)
  if (monotonicMillis(clock) - before >= millis + AFTER_GAP_MILLIS) yield* Effect.sleep(AFTER_GAP_MILLIS)
})

/**
 * Runs `action` every `interval()` seconds, forever. The interval is read every second, so that a shorter one takes effect at once.
 *
 * @param interval in whole seconds, 1 or more
 */
export const repeatEvery = Effect.fnUntraced(function* (interval: () => number, action: Effect.Effect<void>) {
  let waited = 0
  while (true) {
    yield* sleepAwake(1000)
    waited++
    if (waited < interval()) continue
    waited = 0
    yield* action
  }
})
