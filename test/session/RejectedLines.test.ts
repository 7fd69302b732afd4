import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { MemoryNetwork } from "../../src/testing/MemoryListener.ts"
import * as TestRelay from "../../src/testing/TestRelay.ts"

const LINES = 5000

describe("a read with many lines that are rejected", () => {
  for (const [why, lines, options] of [
    ["not UTF-8", Buffer.from("ff0a".repeat(LINES), "hex"), {}],
    ["over the rate limit", Buffer.from("x\n".repeat(LINES)), { hyper_parameters: { rate_limit_msgs_per_minute: 1 } }],
    ["too long", Buffer.from(`${"x".repeat(300)}\n`.repeat(LINES)), { hyper_parameters: { max_line_bytes: 256 } }]
  ] as const) {
    it.effect(`takes several turns of the event loop if they are ${why}, so that others are not kept waiting`, () =>
      Effect.gen(function* () {
        const { connect } = yield* MemoryNetwork
        const [flooder, other, listener] = [yield* connect(), yield* connect(), yield* connect()]
        flooder.send(lines)
        other.send("mine\n")
        yield* listener.until((self) => self.lines.some((line) => line.includes("mine")))
        const rejected = flooder.lines.length
        assert.isAbove(rejected, 0)
        assert.isBelow(rejected, LINES / 2)
        yield* flooder.until((self) => self.lines.length >= LINES - 1)
      }).pipe(Effect.provide(TestRelay.layer(options)))
    )
  }
})
