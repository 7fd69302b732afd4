import * as Effect from "effect/Effect"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { background } from "../internal/background.ts"
import { repeatEvery } from "../internal/time.ts"

/** Delay of timers within the last window, in milliseconds. */
export interface EventLoopLag {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/** Sampling interval in milliseconds. Node includes it in the delay. */
const RESOLUTION_MILLIS = 10

/** Length of a window. All readers see the last complete one. */
const WINDOW_SECONDS = 5

export const make = Effect.gen(function* () {
  const delays = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MILLIS })
      delays.enable()
      return delays
    }),
    (delays) => Effect.sync(() => delays.disable())
  )
  const lag = (nanos: number) => Math.max(0, nanos / 1e6 - RESOLUTION_MILLIS)
  let latest: EventLoopLag = { p50: 0, p99: 0, max: 0 }
  const sample = Effect.sync(() => {
    if (delays.count > 0) {
      latest = { p50: lag(delays.percentile(50)), p99: lag(delays.percentile(99)), max: lag(delays.max) }
    }
    delays.reset()
  })
  yield* background(
    "the event loop is no longer watched",
    repeatEvery(() => WINDOW_SECONDS, sample)
  )
  return { latestUnsafe: () => latest }
})
