import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as WrongTokens from "../../src/admin/WrongTokens.ts"
import { RelayLogger } from "../../src/logging/RelayLogger.ts"

describe("the log of wrong tokens", () => {
  it.effect("has the first try at once, and one line every ten seconds however many follow", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      yield* Effect.scoped(
        Effect.gen(function* () {
          const tried = yield* WrongTokens.make
          tried("10.0.0.1")
          yield* TestClock.adjust("1 milli")
          assert.deepStrictEqual(lines, ["WARNING admin: requests with a wrong token: 1, last from 10.0.0.1"])
          for (let n = 0; n < 1000; n++) tried("10.0.0.1")
          tried("10.0.0.2")
          yield* TestClock.adjust("9 seconds")
          assert.strictEqual(lines.length, 1)
          yield* TestClock.adjust("1 second")
          assert.deepStrictEqual(lines.slice(1), [
            "WARNING admin: requests with a wrong token: 1001, last from 10.0.0.2"
          ])
          yield* TestClock.adjust("1 hour")
          assert.strictEqual(lines.length, 2)
          for (const ip of ["10.0.0.3", "10.0.0.4"]) {
            tried(ip)
            yield* TestClock.adjust("1 milli")
          }
        })
      )
      // What was only counted is logged at the end.
      assert.deepStrictEqual(lines.slice(2), [
        "WARNING admin: requests with a wrong token: 1, last from 10.0.0.3",
        "WARNING admin: requests with a wrong token: 1, last from 10.0.0.4"
      ])
    }).pipe(Effect.provide(RelayLogger.layerTest(lines)))
  })
})
