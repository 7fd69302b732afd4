import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { monotonicMillis } from "./monotonicClock.ts"

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
