import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ServerConfig } from "../config/ServerConfig.ts"
import { background } from "../internal/background.ts"
import { monotonicMillis } from "../internal/monotonicClock.ts"
import { repeatEvery } from "../internal/repeatEvery.ts"

/** A client whose silence is measured. */
export interface Watched {
  /** When it last completed a line, in milliseconds of the monotonic clock; `undefined` while the server itself holds it back. */
  readonly lastLineMillis: () => number | undefined
  /** Called once it has been silent for too long. */
  readonly onIdle: () => void
}

/**
 * Finds clients that complete no line for `client_timeout_secs` (docs/operating.md). One fiber
 * looks after all of them every `timeout_check_interval_secs`, so that silence costs a connection no timer of its own.
 */
export class IdleTimeout extends Context.Service<
  IdleTimeout,
  {
    /** Begins to look after a client. */
    readonly watchUnsafe: (client: Watched) => void
    /** The client has gone. */
    readonly unwatchUnsafe: (client: Watched) => void
  }
>()("summoner-server/IdleTimeout") {
  /** Looks after its clients once they are watched. */
  static readonly layer = Layer.effect(
    IdleTimeout,
    Effect.gen(function* () {
      const { hyper_parameters } = yield* ServerConfig
      const clock = yield* Clock.Clock
      const watched = new Set<Watched>()
      const sweep = Effect.sync(() => {
        const { client_timeout_secs } = hyper_parameters
        if (client_timeout_secs === null) return
        const latest = monotonicMillis(clock) - client_timeout_secs * 1000
        for (const client of watched) {
          const lastLine = client.lastLineMillis()
          if (lastLine !== undefined && lastLine <= latest) client.onIdle()
        }
      })
      yield* background(
        "the idle timeout has stopped working",
        repeatEvery(() => hyper_parameters.timeout_check_interval_secs, sweep)
      )
      return IdleTimeout.of({
        watchUnsafe: (client) => void watched.add(client),
        unwatchUnsafe: (client) => void watched.delete(client)
      })
    })
  )

  /** Nobody is ever idle. */
  static readonly layerDisabled = Layer.succeed(IdleTimeout, { watchUnsafe: () => {}, unwatchUnsafe: () => {} })
}
