/** Effects to run on every reload, for services that hold the content of files: a renewed certificate changes no key. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Level } from "./CurrentConfig.ts"

/** Runs effects on every reload, one after the other, in the order of registration. They report their own failures. */
export const ReloadHooks = Context.Reference<{
  /** Runs `again` on every reload until the scope ends. The reload waits for it. */
  readonly onReload: (again: Effect.Effect<void>) => Effect.Effect<void, never, Scope.Scope>
}>("summoner-server/ReloadHooks", { defaultValue: () => ({ onReload: () => Effect.void }) })

/** A registry, with the effect that runs everything in it. */
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
    reload: Effect.suspend(() => Effect.forEach([...registered], ({ again }) => again, { discard: true }))
  }
}

/** Sets the least severe level that is logged. The layers of `RelayLogger` provide it; without one it does nothing. */
export const SetLogLevel = Context.Reference<(level: Level) => void>("summoner-server/SetLogLevel", {
  defaultValue: () => () => {}
})
