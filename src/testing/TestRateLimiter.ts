import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { RateLimiter } from "../limits/RateLimiter.ts"

/**
 * A rate limiter with scripted decisions.
 *
 * @param script for each client: whether its lines pass, in order; later lines pass
 */
export const layer = (script: ReadonlyArray<boolean>): Layer.Layer<RateLimiter> =>
  Layer.sync(RateLimiter, () =>
    RateLimiter.of({
      open: () =>
        Effect.sync(() => {
          let line = 0
          return { spendUnsafe: () => script[line++] ?? true }
        })
    })
  )
