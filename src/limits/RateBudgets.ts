import type { Values } from "../config/CurrentConfig.ts"
import type { RateBudget } from "./RateLimiter.ts"

const MINUTE_MILLIS = 60_000

type Limit = Pick<Values["hyper_parameters"], "rate_limit_msgs_per_minute">

/** So many lines in every window of 60 seconds. */
export class FixedWindow implements RateBudget {
  readonly #limit: Limit
  windowStart: number
  spent = 0

  constructor(limit: Limit, nowMillis: number) {
    this.#limit = limit
    this.windowStart = nowMillis
  }

  spendUnsafe(nowMillis: number): boolean {
    const elapsed = nowMillis - this.windowStart
    if (elapsed >= MINUTE_MILLIS) {
      this.windowStart = nowMillis - (elapsed % MINUTE_MILLIS)
      this.spent = 0
    }
    if (this.spent >= this.#limit.rate_limit_msgs_per_minute) return false
    this.spent++
    return true
  }
}

/** So many lines at once, earned anew evenly within 60 seconds. */
export class TokenBucket implements RateBudget {
  readonly #limit: Limit
  #tokens: number
  #updated: number

  constructor(limit: Limit, nowMillis: number) {
    this.#limit = limit
    this.#tokens = limit.rate_limit_msgs_per_minute
    this.#updated = nowMillis
  }

  spendUnsafe(nowMillis: number): boolean {
    const capacity = this.#limit.rate_limit_msgs_per_minute
    const earned = ((nowMillis - this.#updated) / MINUTE_MILLIS) * capacity
    this.#tokens = Math.min(capacity, this.#tokens + earned)
    this.#updated = nowMillis
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}
