import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { ServerConfig } from "../config/CurrentConfig.ts"
import type { ClientIdentity } from "../net/ClientIdentity.ts"
import { FixedWindow, TokenBucket } from "./RateBudgets.ts"

/** How much one client may still send. Plain code, because it is asked for every line. */
export interface RateBudget {
  /**
   * Spends one line of the budget.
   *
   * @param nowMillis the time, in milliseconds of the monotonic clock
   * @returns whether the line may be relayed
   */
  readonly spendUnsafe: (nowMillis: number) => boolean
}

/**
 * Limits the lines one client may send (docs/operating.md#rates).
 *
 * `layerFixedWindow` is the default and does what the original does; `layerTokenBucket` spreads the same rate evenly;
 * `layerUnlimited` is the Python profile's.
 */
export class RateLimiter extends Context.Service<
  RateLimiter,
  {
    /**
     * The budget of a client that has just connected: its own, or, where `rate_limit_scope` is `"ip"`, the one it shares
     * with all clients of its IP address, past ones included. The Scope closes when the client has gone. The client is read,
     * and in the room, once this has succeeded; after 10 seconds its connection is closed, and the log says so.
     *
     * @param nowMillis the time of connecting, in milliseconds of the monotonic clock
     */
    readonly open: (client: ClientIdentity, nowMillis: number) => Effect.Effect<RateBudget, never, Scope.Scope>
  }
>()("summoner-server/RateLimiter") {
  /** `rate_limit_msgs_per_minute` lines in every window of 60 seconds, the first of which starts with the connection. */
  static readonly layerFixedWindow = Layer.effect(
    RateLimiter,
    Effect.map(ServerConfig, ({ hyper_parameters }) =>
      fromConfig(hyper_parameters, (nowMillis) => new FixedWindow(hyper_parameters, nowMillis))
    )
  )

  /** A bucket of `rate_limit_msgs_per_minute` lines that fills up again within 60 seconds, evenly. */
  static readonly layerTokenBucket = Layer.effect(
    RateLimiter,
    Effect.map(ServerConfig, ({ hyper_parameters }) =>
      fromConfig(hyper_parameters, (nowMillis) => new TokenBucket(hyper_parameters, nowMillis))
    )
  )

  /** Every line may pass. */
  static readonly layerUnlimited = Layer.sync(RateLimiter, () =>
    RateLimiter.of({ open: () => Effect.succeed(unlimited) })
  )
}

const unlimited: RateBudget = { spendUnsafe: () => true }

/**
 * The most IP addresses remembered. Above it, the budget is forgotten whose last client has been gone for longest: who can
 * send from more addresses than this is not stopped by counting them.
 */
export const MAX_SHARED_BUDGETS = 65_536

const fromConfig = (
  { rate_limit_scope }: ServerConfig["Service"]["hyper_parameters"],
  make: (nowMillis: number) => RateBudget
) => {
  if (rate_limit_scope === "connection") {
    return RateLimiter.of({ open: (_client, nowMillis) => Effect.sync(() => make(nowMillis)) })
  }
  /** Budgets of addresses with clients, and of those without, the latter in the order in which they lost their last. */
  const used = new Map<string, { readonly budget: RateBudget; clients: number }>()
  const unused = new Map<string, RateBudget>()
  const take = (ip: string, nowMillis: number): RateBudget => {
    const shared = used.get(ip)
    if (shared !== undefined) {
      shared.clients++
      return shared.budget
    }
    const budget = unused.get(ip) ?? make(nowMillis)
    unused.delete(ip)
    used.set(ip, { budget, clients: 1 })
    return budget
  }
  const giveBack = (ip: string): void => {
    const shared = used.get(ip)
    if (shared === undefined || --shared.clients > 0) return
    used.delete(ip)
    unused.set(ip, shared.budget)
    if (unused.size > MAX_SHARED_BUDGETS) unused.delete(unused.keys().next().value!)
  }
  return RateLimiter.of({
    open: ({ ip }, nowMillis) =>
      Effect.acquireRelease(
        Effect.sync(() => take(ip, nowMillis)),
        () => Effect.sync(() => giveBack(ip))
      )
  })
}
