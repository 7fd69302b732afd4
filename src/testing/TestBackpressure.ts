import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Backpressure, type Verdict } from "../limits/Backpressure.ts"

/**
 * Backpressure with scripted verdicts.
 *
 * @param script the verdicts on the lines of the room, in order; later lines pass
 * @param waits how long a sender is held, 1 second by default
 */
export const layer = (
  script: ReadonlyArray<Verdict>,
  waits: { readonly throttle?: Effect.Effect<void>; readonly flowControl?: Effect.Effect<void> } = {}
): Layer.Layer<Backpressure> =>
  Layer.sync(Backpressure, () => {
    let line = 0
    return Backpressure.of({
      decideUnsafe: () => script[line++] ?? "pass",
      throttle: waits.throttle ?? Effect.sleep("1 second"),
      flowControl: waits.flowControl ?? Effect.sleep("1 second")
    })
  })
