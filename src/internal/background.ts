import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"

/**
 * Runs `task` beside the caller until the scope ends. A task that fails or dies is logged with its cause: a fiber that ends unobserved
 * logs nothing.
 *
 * @param stopped what the log says then: `the quarantine is no longer swept`
 * @param options `startImmediately`: runs it up to where it first waits before this is done
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
