import { assert, describe, it } from "@effect/vitest"
import { BatchMemory } from "../../src/room/BatchMemory.ts"

const KIB = 1024

const batch = (length: number, fill: number) => new Uint8Array(length).fill(fill)

const overlap = (a: Buffer, b: Buffer) =>
  a.buffer === b.buffer && a.byteOffset < b.byteOffset + b.length && b.byteOffset < a.byteOffset + a.length

describe("BatchMemory", () => {
  it.each([100, 16 * KIB, 17 * KIB, 190 * KIB, 600 * KIB])(
    "gives a batch of %i bytes the memory of the last",
    (length) => {
      const memory = new BatchMemory()
      const first = memory.copy(batch(length, 1))
      memory.release(first)
      const second = memory.copy(batch(length - 9, 2))
      assert.isTrue(overlap(first, second))
      assert.deepEqual(new Uint8Array(second), batch(length - 9, 2))
    }
  )

  it("gives long and short batches in turn the memory of the last of their size", () => {
    const memory = new BatchMemory()
    const [long, short] = [memory.copy(batch(130 * KIB, 1)), memory.copy(batch(20 * KIB, 2))]
    for (const copy of [long, short]) memory.release(copy)
    for (let i = 0; i < 3; i++) {
      for (const last of [long, short]) {
        const copy = memory.copy(batch(last.length, 3))
        assert.isTrue(overlap(last, copy))
        memory.release(copy)
      }
    }
  })

  it("returns the memory of a batch of long lines", () => {
    const memory = new BatchMemory()
    const copy = memory.copy(batch(769 * KIB, 1))
    memory.release(copy)
    assert.strictEqual(copy.length, 0)
    assert.deepEqual(new Uint8Array(memory.copy(batch(769 * KIB, 2))), batch(769 * KIB, 2))
  })

  it.each([100, 16 * KIB + 1])("leaves a batch of %i bytes alone that is kept", (length) => {
    const memory = new BatchMemory()
    const kept = memory.copy(batch(length, 1))
    for (let fill = 2; fill < 9; fill++) memory.release(memory.copy(batch(length, fill)))
    assert.deepEqual(new Uint8Array(kept), batch(length, 1))
  })

  it.each([100, 16 * KIB + 1])("leaves a batch of %i bytes alone that is made while another is sent", (length) => {
    const memory = new BatchMemory()
    memory.release(memory.copy(batch(length, 0)))
    const sent = memory.copy(batch(length, 1))
    const kept = memory.copy(batch(length, 2))
    assert.deepEqual(new Uint8Array(sent), batch(length, 1))
    memory.release(sent)
    for (let fill = 3; fill < 9; fill++) {
      const copies = [memory.copy(batch(length, fill)), memory.copy(batch(length, fill))]
      for (const copy of copies.toReversed()) memory.release(copy)
    }
    assert.deepEqual(new Uint8Array(kept), batch(length, 2))
  })

  it("cuts small batches that are kept one behind the other", () => {
    const memory = new BatchMemory()
    const [first, second] = [memory.copy(batch(100, 1)), memory.copy(batch(50, 2))]
    assert.strictEqual(first.buffer, second.buffer)
    assert.strictEqual(second.byteOffset, first.byteOffset + 100)
  })

  it("has a recipient that is slow keep no more than twice what a batch has, or 16 KiB more", () => {
    const memory = new BatchMemory()
    memory.release(memory.copy(batch(190 * KIB, 1)))
    for (const length of [190 * KIB, 90 * KIB, 17 * KIB, 30 * KIB, 129 * KIB, 260 * KIB, 513 * KIB]) {
      const copy = memory.copy(batch(length, 2))
      assert.isAtMost(copy.buffer.byteLength, Math.max(2 * length, length + 16 * KIB))
      memory.release(copy)
    }
  })
})
