import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import { vi } from "vitest"
import { BATCH_OVERHEAD_BYTES, Backlog } from "../../src/bus/Backlog.ts"
import type { Batch } from "../../src/bus/Frame.ts"
import * as arbitraries from "../support/Arbitraries.ts"
import { runs } from "../support/runs.ts"

const LIMIT = 4 * BATCH_OVERHEAD_BYTES + 100

const batch = (sequence: number, bytes: number) => {
  const content = Buffer.alloc(bytes, sequence % 251)
  const half = bytes >> 1
  const parts = [content.subarray(0, half), content.subarray(half)].map((bytes) => ({ bytes, messages: 1 }))
  return { sequence, parts, bytes, lines: 2, end: 0, dropped: 0 }
}

/** Whether a batch has the bytes that it had when it was added. */
const isWhole = ({ bytes, parts, sequence }: Batch) =>
  Buffer.concat(parts.map((part) => part.bytes)).equals(Buffer.alloc(bytes, sequence % 251))

describe("Backlog", () => {
  const step = Arbitrary.all({ kind: arbitraries.int(0, 9), n: arbitraries.int(1, 60) })

  it.prop(
    "gives batches as they were, in order with the number of those dropped before each, and again after a rewind if they are not confirmed",
    { steps: arbitraries.array(step, { maxLength: 200 }), isLarge: arbitraries.boolean },
    ({ isLarge, steps }) => {
      const scale = isLarge ? 1000 : 1
      const limit = 4 * BATCH_OVERHEAD_BYTES + 100 * scale
      const backlog = new Backlog(limit)
      let sent: Array<{ sequence: number; bytes: number }> = []
      let waiting: Array<{ sequence: number; bytes: number }> = []
      const confirmed: Array<number> = []
      const bytesOf = (batches: typeof sent) => batches.reduce((sum, { bytes }) => sum + bytes, 0)
      const costOf = (batches: typeof sent) => bytesOf(batches) + batches.length * BATCH_OVERHEAD_BYTES
      let sequence = 0
      for (const { kind, n } of steps) {
        if (kind <= 4) {
          const bytes = n * scale
          const added = batch(++sequence, bytes)
          const dropped = backlog.push(added)
          for (const part of added.parts) part.bytes.fill(255)
          waiting = [...waiting.slice(dropped), { sequence, bytes }]
          // No more than it had to.
          if (dropped > 0) assert.isAbove(costOf([...sent, ...waiting]) + BATCH_OVERHEAD_BYTES + 60 * scale, limit)
        } else if (kind <= 7) {
          const taken = backlog.take()
          assert.strictEqual(taken?.sequence, waiting[0]?.sequence)
          if (taken !== undefined) {
            assert.isTrue(isWhole(taken))
            const before = sent.at(-1)?.sequence ?? confirmed.at(-1) ?? 0
            assert.isAtLeast(before, taken.sequence - taken.dropped - 1)
            sent.push(waiting.shift()!)
          }
        } else if (kind === 8) {
          const upTo = (sent[0]?.sequence ?? 1) + (n % 4) - 1
          const expected = sent.filter((batch) => batch.sequence <= upTo).map((batch) => batch.sequence)
          const before = confirmed.length
          backlog.confirm(upTo, (batch) => {
            assert.isTrue(isWhole(batch))
            confirmed.push(batch.sequence)
          })
          assert.deepStrictEqual(confirmed.slice(before), expected)
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
        if (kind <= 4 && waiting.length > 1) assert.isAtMost(costOf([...sent, ...waiting]), limit)
        const reaches = (batch: { readonly sequence: number }) => batch.sequence >= n
        for (const { sequence } of sent) assert.isTrue(isWhole(backlog.sentFrom(sequence)!))
        assert.strictEqual(backlog.sentFrom(n)?.sequence, sent.find(reaches)?.sequence)
        assert.strictEqual(backlog.numberFrom(n), [...sent, ...waiting].find(reaches)?.sequence)
      }
    },
    runs(40)
  )

  it("drops the oldest that waits, and never what was sent", () => {
    const backlog = new Backlog(2 * BATCH_OVERHEAD_BYTES + 100)
    backlog.push(batch(1, 40))
    backlog.take()
    backlog.push(batch(2, 40))
    assert.strictEqual(backlog.push(batch(3, 40)), 1)
    assert.strictEqual(backlog.push(batch(4, 90)), 1)
    assert.strictEqual(backlog.bytes, 130)
    assert.deepInclude(backlog.take(), { sequence: 4, dropped: 2 })
    backlog.rewind()
    assert.strictEqual(backlog.take()?.sequence, 1)
  })

  it.each([
    ["dropped", () => {}],
    [
      "confirmed",
      (backlog: Backlog) => {
        const taken = backlog.take()
        if (taken !== undefined) backlog.confirm(taken.sequence, () => {})
      }
    ]
  ])("uses the memory of batches that were %s again", (_, end) => {
    const backlog = new Backlog(50_000)
    const allocated = vi.spyOn(Buffer, "allocUnsafeSlow")
    for (let sequence = 1; sequence <= 50; sequence++) {
      backlog.push(batch(sequence, 20_000))
      end(backlog)
    }
    assert.isAtMost(allocated.mock.calls.length, 3)
    allocated.mockRestore()
  })

  it("fills the limit to the last byte", () => {
    const backlog = new Backlog(2 * BATCH_OVERHEAD_BYTES + 100)
    backlog.push(batch(1, 60))
    assert.strictEqual(backlog.push(batch(2, 40)), 0)
    assert.strictEqual(backlog.push(batch(3, 1)), 1)
  })

  it("takes a single batch that is larger than the limit", () => {
    const backlog = new Backlog(LIMIT)
    assert.strictEqual(backlog.push(batch(1, 5000)), 0)
    assert.strictEqual(backlog.take()?.sequence, 1)
  })
})
