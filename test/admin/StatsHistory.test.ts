import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as StatsHistory from "../../src/admin/StatsHistory.ts"

describe("the history of statistics", () => {
  it.effect("has an entry for every ten seconds of the last fifteen minutes", () =>
    Effect.gen(function* () {
      const stats = Effect.map(Clock.currentTimeMillis, (at) => ({ at }) as never)
      const history = yield* StatsHistory.make(stats)
      const seconds = Effect.map(history.json, (json) =>
        (JSON.parse(json) as ReadonlyArray<{ readonly at: number }>).map(({ at }) => at / 1000)
      )
      assert.deepStrictEqual(yield* seconds, [])
      yield* TestClock.adjust("25 seconds")
      assert.deepStrictEqual(yield* seconds, [0, 10, 20])
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(
        yield* seconds,
        Array.from({ length: 90 }, (_, i) => 3620 - 890 + 10 * i)
      )
    })
  )
})
