import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { IdleTimeout, type Watched } from "../limits/IdleTimeout.ts"
import { watchIn } from "../limits/watchIn.ts"

/** Makes clients idle on demand. */
export class TestIdleTimeout extends Context.Service<
  TestIdleTimeout,
  {
    /** Times out all connected clients. */
    readonly expire: Effect.Effect<void>
  }
>()("summoner-server/testing/TestIdleTimeout") {}

/** An idle timeout without a clock. */
export const layer: Layer.Layer<IdleTimeout | TestIdleTimeout> = Layer.effectContext(
  Effect.sync(() => {
    const watched = new Set<Watched>()
    return Context.make(IdleTimeout, IdleTimeout.of({ watch: watchIn(watched) })).pipe(
      Context.add(TestIdleTimeout, {
        expire: Effect.sync(() => watched.forEach((client) => client.onIdle()))
      })
    )
  })
)
