import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { MemoryNetwork } from "../../src/testing/MemoryListener.ts"
import * as TestRelay from "../../src/testing/TestRelay.ts"

describe("lines that arrive in pieces", () => {
  it.effect("one after the other, of one client and of several, remain what they are", () =>
    Effect.gen(function* () {
      const { connect } = yield* MemoryNetwork
      const [one, other, listener] = [yield* connect(), yield* connect(), yield* connect()]
      const lines = ["first", "second", "third, of another", "4"]
      for (const [i, line] of lines.entries()) {
        const sender = i < 2 ? one : other
        sender.send(line.slice(0, 1))
        yield* Effect.yieldNow
        sender.send(`${line.slice(1)}\n`)
        yield* listener.readLines(i + 1)
      }
      assert.deepStrictEqual(
        listener.lines.map((line) => JSON.parse(line).content),
        lines
      )
    }).pipe(Effect.provide(TestRelay.layer({})))
  )
})
