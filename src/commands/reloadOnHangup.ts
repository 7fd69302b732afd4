import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type { ConfigError } from "../config/ConfigError.ts"
import { ConfigReload } from "../config/ConfigReload.ts"
import type { Values } from "../config/ServerConfig.ts"
import { background } from "../internal/background.ts"

/** `SIGHUP`s from now on, of which one at most waits; those that come while the scope ends mean nothing. */
export const hangups = Effect.gen(function* () {
  const waiting = yield* Queue.sliding<void>(1)
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      const onHangup = () => void Queue.offerUnsafe(waiting, undefined)
      process.on("SIGHUP", onHangup)
      return onHangup
    }),
    // Its default, the end of the process, would cut the shutdown short.
    (onHangup) => Effect.sync(() => process.on("SIGHUP", () => {}).off("SIGHUP", onHangup))
  )
  return waiting
})

/**
 * Loads the configuration again on every `SIGHUP` and gives it to the running server. One with a mistake changes nothing.
 *
 * @param waiting the signals
 * @param load loads it from the same sources as at the start
 */
export const reloadOnHangup = (
  waiting: Queue.Dequeue<void>,
  load: Effect.Effect<{ readonly values: Values }, ConfigError>
) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const { apply } = yield* ConfigReload
      const reload = load.pipe(
        Effect.flatMap(({ values }) => apply(values)),
        Effect.catchTag("ConfigError", ({ message }) =>
          Effect.forEach(message.split("\n"), (line) => Effect.logError(`configuration not reloaded: ${line.trim()}`), {
            discard: true
          })
        ),
        Effect.withSpan("reload")
      )
      yield* background(
        "SIGHUP no longer reloads the configuration",
        Effect.forever(Effect.andThen(Queue.take(waiting), reload))
      )
    })
  )
