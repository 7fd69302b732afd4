import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ServerConfig } from "../config/CurrentConfig.ts"
import { background } from "../internal/background.ts"
import { monotonicMillis, repeatEvery } from "../internal/time.ts"
import { watchIn } from "./watchIn.ts"

/** A client whose silence is measured. */
export interface Watched {
  /** When it last completed a line, in milliseconds of the monotonic clock; `undefined` while the server itself holds it back. */
  readonly lastLineMillis: () => number | undefined
  /** Called once it has been silent for too long. */
  readonly onIdle: () => void
}

/**
 * Ends clients that complete no line for `client_timeout_secs` (docs/operating.md). One fiber looks after all of them every
 * `timeout_check_interval_secs`, so that silence costs a connection no timer of its own.
 */
export class IdleTimeout extends Context.Service<
  IdleTimeout,
  {
    /**
     * Runs a session, and calls `client.onIdle` once its client has been silent for too long. There is no other way to run a session, so
     * that no client is forgotten, and none is looked after that has gone.
     */
    readonly watch: <A, E, R>(client: Watched, session: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  }
>()("summoner-server/IdleTimeout") {
  /** Looks after clients for as long as the scope lasts, whatever happens while it looks at one of them. */
  static readonly layer = Layer.effect(
    IdleTimeout,
    Effect.gen(function* () {
      const { hyper_parameters } = yield* ServerConfig
      const clock = yield* Clock.Clock
      const watched = new Set<Watched>()
      const sweep = Effect.suspend(() => {
        const { client_timeout_secs } = hyper_parameters
        if (client_timeout_secs === null) return Effect.void
        const latest = monotonicMillis(clock) - client_timeout_secs * 1000
        const defects: Array<unknown> = []
        for (const client of watched) {
          try {
            const lastLine = client.lastLineMillis()
            if (lastLine !== undefined && lastLine <= latest) client.onIdle()
          } catch (defect) {
            // The others are looked at all the same, and this one again at the next check.
            defects.push(defect)
          }
        }
        if (defects.length === 0) return Effect.void
        return Effect.logError(`the idle timeout has failed for ${defects.length}: ${String(defects[0])}`)
      })
      yield* background(
        "the idle timeout has stopped working",
        repeatEvery(() => hyper_parameters.timeout_check_interval_secs, sweep)
      )
      return IdleTimeout.of({ watch: watchIn(watched) })
    })
  )

  /** Nobody is ever idle. */
  static readonly layerDisabled = Layer.succeed(IdleTimeout, { watch: (_client, session) => session })
}
