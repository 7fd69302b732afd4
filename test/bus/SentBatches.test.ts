import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import { vi } from "vitest"
import { SentBatches } from "../../src/bus/SentBatches.ts"
import * as arbitraries from "../support/Arbitraries.ts"
import { runs } from "../support/runs.ts"

const KIB = 1024
const LIMIT = 512 * KIB
/** A piece of memory, or the largest batch here. */
const SLAB = 300 * KIB

const batchOf = (sequence: number, size: number) => {
  const content = Buffer.alloc(size, sequence % 251)
  const half = size >> 1
  const parts = [content.subarray(0, half), content.subarray(half)].map((bytes) => ({ bytes, messages: 1 }))
  return { sequence, parts, bytes: size, lines: 2, end: 10 * sequence, dropped: sequence % 3 }
}

/** As many small ones as large ones. */
const size = Arbitrary.map(
  Arbitrary.all({ isSmall: arbitraries.boolean, n: arbitraries.int(1, SLAB) }),
  ({ isSmall, n }) => (isSmall ? 1 + (n % 200) : n)
)

describe("SentBatches", () => {
  it.prop(
    "keeps the newest batches as they were, within its limit, whatever becomes of their memory",
    { sizes: arbitraries.array(size, { maxLength: 25 }) },
    ({ sizes }) => {
      const sent = new SentBatches(LIMIT)
      for (const [i, size] of sizes.entries()) {
        // Every other number: the rest was dropped.
        const batch = batchOf(2 * i + 1, size)
        sent.add(batch)
        for (const { bytes } of batch.parts) bytes.fill(255)
        assert.isAtMost(sent.cost, LIMIT + SLAB)
      }
      const oldest = sent.from(0)
      if (sizes.length > 0) assert.isDefined(oldest)
      for (let i = ((oldest?.sequence ?? 1) - 1) / 2; i < sizes.length; i++) {
        const sequence = 2 * i + 1
        const { parts, ...kept } = sent.from(sequence)!
        const { parts: _, ...expected } = batchOf(sequence, sizes[i]!)
        assert.deepStrictEqual(kept, expected)
        const bytes = Buffer.concat(parts.map(({ bytes }) => bytes))
        assert.isTrue(bytes.equals(Buffer.alloc(sizes[i]!, sequence % 251)))
        assert.strictEqual(sent.from(sequence - 1)?.sequence, sequence)
      }
      assert.isUndefined(sent.from(2 * sizes.length))
      // Nothing was forgotten without need.
      const all = sizes.reduce((sum, size) => sum + size, 0)
      if (all < LIMIT / 4 && sizes.length < 10) assert.strictEqual(oldest?.sequence ?? 1, 1)
    },
    runs(40)
  )

  it("uses the memory of forgotten batches again, and of no others", () => {
    const sent = new SentBatches(3 * 256 * KIB)
    const allocated = vi.spyOn(Buffer, "allocUnsafeSlow")
    const sizes = [200, 300, 100, 300, 250, 200, 200].map((size) => size * KIB)
    let sequence = 0
    for (let round = 0; round < 10; round++) {
      for (const size of sizes) {
        sent.add(batchOf(++sequence, size))
        for (let kept = sent.from(0)!.sequence; kept <= sequence; kept++) {
          const { bytes, parts } = sent.from(kept)!
          const [part] = parts
          assert.isTrue(Buffer.from(part!.bytes).equals(Buffer.alloc(bytes, kept % 251)))
          assert.isAtMost(part!.bytes.buffer.byteLength, Math.max(bytes, 256 * KIB))
        }
      }
    }
    const ofSlabs = allocated.mock.calls.filter(([size]) => size === 256 * KIB)
    assert.isAtMost(ofSlabs.length, 20)
    allocated.mockRestore()
  })

  it("counts what small batches take beside their bytes", () => {
    const sent = new SentBatches(LIMIT)
    for (let sequence = 1; sequence <= 10_000; sequence++) sent.add(batchOf(sequence, 2))
    assert.isAbove(sent.from(0)!.sequence, 7000)
  })
})
