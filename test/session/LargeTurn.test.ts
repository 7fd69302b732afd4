import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { MemoryNetwork } from "../../src/testing/MemoryListener.ts"
import * as TestRelay from "../../src/testing/TestRelay.ts"

describe("a relay without others", () => {
  it.effect("writes 400 KiB that four clients send at once with one write", () =>
    Effect.gen(function* () {
      const { connect } = yield* MemoryNetwork
      const talkers = yield* Effect.all(Array.from({ length: 4 }, () => connect()))
      const listener = yield* connect()
      for (const talker of talkers) talker.send(`${"x".repeat(1023)}\n`.repeat(100))
      yield* listener.readLines(400)
      assert.strictEqual(listener.writes, 1)
    }).pipe(Effect.provide(TestRelay.layer({ hyper_parameters: { rate_limit_msgs_per_minute: 1000 } })))
  )
})
