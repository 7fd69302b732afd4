import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import { Backlog } from "../../src/bus/Backlog.ts"
import * as arbitraries from "../support/Arbitraries.ts"

const LIMIT = 100

const batch = (sequence: number, bytes: number) => ({ sequence, parts: [], bytes, lines: 1, end: 0 })

describe("Backlog", () => {
  const step = Arbitrary.all({ kind: arbitraries.int(0, 9), n: arbitraries.int(1, 60) })

  it.prop(
    "gives batches in order, those that are not confirmed again after a rewind, and forgets only what it says",
    { steps: arbitraries.array(step, { maxLength: 200 }) },
    ({ steps }) => {
      const backlog = new Backlog(LIMIT)
      let sent: Array<{ sequence: number; bytes: number }> = []
      let waiting: Array<{ sequence: number; bytes: number }> = []
      const bytesOf = (batches: typeof sent) => batches.reduce((sum, { bytes }) => sum + bytes, 0)
      let sequence = 0
      for (const { kind, n } of steps) {
        if (kind <= 4) {
          const dropped = backlog.push(batch(++sequence, n))
          waiting = [...waiting.slice(dropped), { sequence, bytes: n }]
          // No more than it had to.
          if (dropped > 0) assert.isAbove(bytesOf([...sent, ...waiting]) + n, LIMIT - 60)
        } else if (kind <= 7) {
          const taken = backlog.take()
          assert.strictEqual(taken?.sequence, waiting[0]?.sequence)
          if (taken !== undefined) sent.push(waiting.shift()!)
        } else if (kind === 8) {
          const upTo = (sent[0]?.sequence ?? 1) + (n % 4) - 1
          backlog.confirm(upTo)
          sent = sent.filter((batch) => batch.sequence > upTo)
        } else {
          backlog.rewind()
          waiting = [...sent, ...waiting]
          sent = []
        }
        assert.strictEqual(backlog.bytes, bytesOf([...sent, ...waiting]))
        assert.strictEqual(backlog.sentBytes, bytesOf(sent))
        assert.strictEqual(backlog.length, sent.length + waiting.length)
        // What was sent cannot be taken back, and the newest is always taken.
        if (kind <= 4 && waiting.length > 1) assert.isAtMost(bytesOf([...sent, ...waiting]), LIMIT)
      }
    }
  )

  it("drops the oldest that waits, and never what was sent", () => {
    const backlog = new Backlog(LIMIT)
    backlog.push(batch(1, 40))
    backlog.take()
    backlog.push(batch(2, 40))
    assert.strictEqual(backlog.push(batch(3, 40)), 1)
    assert.strictEqual(backlog.push(batch(4, 90)), 1)
    assert.strictEqual(backlog.bytes, 130)
    assert.strictEqual(backlog.take()?.sequence, 4)
    backlog.rewind()
    assert.strictEqual(backlog.take()?.sequence, 1)
  })

  it("fills the limit to the last byte", () => {
    const backlog = new Backlog(LIMIT)
    backlog.push(batch(1, LIMIT - 40))
    assert.strictEqual(backlog.push(batch(2, 40)), 0)
    assert.strictEqual(backlog.push(batch(3, 1)), 1)
  })

  it("takes a single batch that is larger than the limit", () => {
    const backlog = new Backlog(LIMIT)
    assert.strictEqual(backlog.push(batch(1, 500)), 0)
    assert.strictEqual(backlog.take()?.sequence, 1)
  })
})
