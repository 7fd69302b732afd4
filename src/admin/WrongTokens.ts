import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import { background } from "../internal/background.ts"

const QUIET_MILLIS = 10_000

/**
 * Logs tries with a wrong token: the first one at once, and those of the next ten seconds in one line, so that guessing cannot fill
 * the log.
 *
 * @returns called with the IP address of each try
 */
export const make = Effect.gen(function* () {
  const tried = yield* Latch.make()
  let tries = 0
  let last = ""
  const report = Effect.suspend(() => {
    if (tries === 0) return Effect.void
    const count = tries
    tries = 0
    return Effect.logWarning(`admin: requests with a wrong token: ${count}, last from ${last}`)
  })
  yield* Effect.addFinalizer(() => report)
  yield* background(
    "wrong tokens are no longer logged",
    Effect.gen(function* () {
      while (true) {
        yield* tried.await
        tried.closeUnsafe()
        yield* report
        yield* Effect.sleep(QUIET_MILLIS)
      }
    })
  )
  return (ip: string): void => {
    tries++
    last = ip
    tried.openUnsafe()
  }
})
