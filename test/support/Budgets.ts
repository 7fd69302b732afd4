/** Clients as a rate limiter sees them, without fibers of their own. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { RateBudget, RateLimiter } from "../../src/limits/RateLimiter.ts"

/** The budget of a client from `ip`, and what ends it. */
export interface Opened extends RateBudget {
  readonly closeUnsafe: () => void
}

/** A client from `ip` connects. */
export const openUnsafe = ({ open }: RateLimiter["Service"], ip: string, nowMillis: number): Opened => {
  const scope = Scope.makeUnsafe()
  const client = { address: `${ip}:1`, ip, transport: "tcp" }
  const budget = Effect.runSync(Scope.provide(open(client, nowMillis), scope))
  return {
    spendUnsafe: (now) => budget.spendUnsafe(now),
    closeUnsafe: () => Effect.runSync(Scope.close(scope, Exit.void))
  }
}
