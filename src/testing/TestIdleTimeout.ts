import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { IdleTimeout, type Watched } from "../limits/IdleTimeout.ts"

/** Finds clients idle when a test says so. */
export class TestIdleTimeout extends Context.Service<
  TestIdleTimeout,
  {
    /** Everybody connected has been silent for too long now. */
    readonly expire: Effect.Effect<void>
  }
>()("summoner-server/testing/TestIdleTimeout") {}

/** An idle timeout without time. */
export const layer: Layer.Layer<IdleTimeout | TestIdleTimeout> = Layer.effectContext(
  Effect.sync(() => {
    const watched = new Set<Watched>()
    return Context.make(
      IdleTimeout,
      IdleTimeout.of({
        watchUnsafe: (client) => void watched.add(client),
        unwatchUnsafe: (client) => void watched.delete(client)
      })
    ).pipe(
      Context.add(TestIdleTimeout, {
        expire: Effect.sync(() => {
          for (const client of watched) client.onIdle()
        })
      })
    )
  })
)
