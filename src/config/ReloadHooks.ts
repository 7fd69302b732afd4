/**
 * Tells those who hold what files had in them that the configuration has been loaded again: a file may have been renewed under its old
 * name, without a change to any key.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** What is done again on every reload, in the order of registration, one after the other. It says itself what went wrong. */
export const ReloadHooks = Context.Reference<{
  /** Does this on every reload until the scope ends. The reload waits for it, so it must come to an end. */
  readonly onReload: (again: Effect.Effect<void>) => Effect.Effect<void, never, Scope.Scope>
}>("summoner-server/ReloadHooks", {
  // Where nothing is ever reloaded.
  defaultValue: () => ({ onReload: () => Effect.void })
})

/** The same for whoever reloads. */
export const make = () => {
  const registered = new Set<{ readonly again: Effect.Effect<void> }>()
  return {
    service: ReloadHooks.of({
      onReload: (again) =>
        Effect.asVoid(
          Effect.acquireRelease(
            Effect.sync(() => {
              const entry = { again }
              registered.add(entry)
              return entry
            }),
            (entry) => Effect.sync(() => registered.delete(entry))
          )
        )
    }),
    /** Does everything that is registered. */
    reload: Effect.suspend(() => Effect.forEach([...registered], ({ again }) => again, { discard: true }))
  }
}
