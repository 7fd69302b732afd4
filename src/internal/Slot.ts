import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** A place for one thing, which is there as long as a scope lasts. */
export class Slot<A> {
  current: A | undefined

  /** Puts `value` there, until the scope ends. */
  hold(value: A): Effect.Effect<void, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => {
        this.current = value
      }),
      () =>
        Effect.sync(() => {
          this.current = undefined
        })
    )
  }
}
