import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** A value that is present while a scope lasts. Read synchronously, so not a `ScopedRef`. */
export class Slot<A> {
  current: A | undefined

  /** Sets the value until the scope ends. */
  hold(value: A): Effect.Effect<void, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => void (this.current = value)),
      () => Effect.sync(() => void (this.current = undefined))
    )
  }
}
