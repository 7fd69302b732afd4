import * as Effect from "effect/Effect"

/**
 * Runs `action` every `interval()` seconds, for ever. The interval may change: it is asked every second, so that a longer one
 * under way is not waited for.
 *
 * @param interval in whole seconds, 1 or more
 */
export const repeatEvery = Effect.fnUntraced(function* (interval: () => number, action: Effect.Effect<void>) {
  let waited = 0
  while (true) {
    yield* Effect.sleep("1 second")
    waited++
    if (waited < interval()) continue
    waited = 0
    yield* action
  }
})
