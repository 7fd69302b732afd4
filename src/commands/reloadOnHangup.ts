import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type { ConfigError } from "../config/ConfigError.ts"
import { ConfigReload } from "../config/ConfigReload.ts"
import type { Values } from "../config/ServerConfig.ts"
import { background } from "../internal/background.ts"

/** The default action would end the process during the shutdown. */
const ignore = (): void => {}

/** A queue of `SIGHUP`s, which holds one at most. Those that arrive while the scope closes are ignored. */
export const hangups = Effect.gen(function* () {
  const waiting = yield* Queue.sliding<void>(1)
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      const onHangup = () => void Queue.offerUnsafe(waiting, undefined)
      process.on("SIGHUP", onHangup).off("SIGHUP", ignore)
      return onHangup
    }),
    (onHangup) => Effect.sync(() => process.on("SIGHUP", ignore).off("SIGHUP", onHangup))
  )
  return waiting
})

const sayThatItTakesLong = Effect.sleep("10 seconds").pipe(
  Effect.andThen(Effect.logWarning("configuration not reloaded yet: no answer from its file within 10 s")),
  Effect.andThen(Effect.never)
)

/** Loads and applies the configuration on every signal in `waiting`. A configuration with problems changes nothing. */
export const reloadOnHangup = (
  waiting: Queue.Dequeue<void>,
  load: Effect.Effect<{ readonly values: Values }, ConfigError>
) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const { apply } = yield* ConfigReload
      const reload = load.pipe(
        Effect.raceFirst(sayThatItTakesLong),
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
