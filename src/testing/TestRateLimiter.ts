import * as Layer from "effect/Layer"
import { RateLimiter } from "../limits/RateLimiter.ts"

/**
 * A limiter that does as it is told.
 *
 * @param script for each client: whether its first line may pass, its second, and so on; later ones may
 */
export const layer = (script: ReadonlyArray<boolean>): Layer.Layer<RateLimiter> =>
  Layer.sync(RateLimiter, () =>
    RateLimiter.of({
      openUnsafe: () => {
        let line = 0
        return { spendUnsafe: () => script[line++] ?? true }
      },
      closeUnsafe: () => {}
    })
  )
