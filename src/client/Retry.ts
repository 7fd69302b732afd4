import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type { CannotConnect, Disconnected, StreamFailed } from "./ConnectError.ts"

type ConnectError = CannotConnect | Disconnected | StreamFailed

/** A connection that lasted this long resets the backoff. */
const LASTING = Duration.seconds(10)

/** The largest factor of `Schedule.jittered`, which keeps clients from reconnecting all at once. */
const JITTER = 1.2

/** 250 ms, doubled each time, up to 10 s. */
const backoff = Schedule.exponential("250 millis").pipe(
  Schedule.modifyDelay(({ duration }) => Effect.succeed(Duration.min(duration, Duration.seconds(10 / JITTER)))),
  Schedule.jittered,
  Schedule.setInputType<ConnectError>()
)

/**
 * Runs a session again when the server cannot be reached or is lost. Fails if all input was sent, or if standard input or output failed.
 *
 * @param status reports each failure and the time until the next attempt
 */
export const persistently = Effect.fnUntraced(function* (
  session: Effect.Effect<void, ConnectError>,
  status: (line: string) => Effect.Effect<void>
): Effect.fn.Return<void, ConnectError> {
  const schedule = Schedule.tap(backoff, ({ duration, input }) =>
    status(`${input.message}; next attempt in ${(Duration.toMillis(duration) / 1000).toFixed(1)} s`)
  )
  let waitAfter = yield* Schedule.toStepWithSleep(schedule)
  while (true) {
    const [lasted, result] = yield* Effect.timed(Effect.result(session))
    if (Result.isSuccess(result)) return
    const error = result.failure
    if (error._tag === "StreamFailed" || (error._tag === "Disconnected" && error.isDone)) return yield* error
    if (error._tag === "Disconnected" && Duration.isGreaterThan(lasted, LASTING)) {
      waitAfter = yield* Schedule.toStepWithSleep(schedule)
    }
    // The schedule is infinite.
    yield* Effect.orDie(waitAfter(error))
  }
})
