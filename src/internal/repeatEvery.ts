import * as Effect from "effect/Effect"
import { sleepAwake } from "./sleepAwake.ts"

/**
 * Runs `action` every `interval()` seconds, forever. The interval is read every second, so that a shorter one takes effect at once.
 *
 * @param interval in whole seconds, 1 or more
 */
export const repeatEvery = Effect.fnUntraced(function* (interval: () => number, action: Effect.Effect<void>) {
  let waited = 0
  while (true) {
    yield* sleepAwake(1000)
    waited++
    if (waited < interval()) continue
    waited = 0
    yield* action
  }
})
