import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"

/**
 * Runs `task` in a fiber until the scope ends, and logs its failure or defect, because Effect does not.
 *
 * @param stopped the log message of a failure: `the quarantine is no longer swept`
 * @param options `startImmediately`: runs it up to its first wait before returning
 */
export const background = <A, E, R>(
  stopped: string,
  task: Effect.Effect<A, E, R>,
  options: { readonly startImmediately?: boolean } = {}
): Effect.Effect<Fiber.Fiber<A, E>, never, R | Scope.Scope> =>
  Effect.forkScoped(
    Effect.tapCause(task, (cause) => Effect.logError(stopped, cause)),
    options
  )
