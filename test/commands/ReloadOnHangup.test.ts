import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { hangups } from "../../src/commands/reloadOnHangup.ts"

describe("hangups", () => {
  it.effect("leave one listener behind, which ignores the signal, however often they were awaited", () =>
    Effect.gen(function* () {
      yield* Effect.scoped(hangups)
      const left = process.listenerCount("SIGHUP")
      assert.isAtLeast(left, 1)
      for (let n = 0; n < 20; n++) yield* Effect.scoped(hangups)
      assert.strictEqual(process.listenerCount("SIGHUP"), left)
    })
  )
})
