import { assert, describe, it } from "@effect/vitest"
import { BatchMemory, onceReleased } from "../../src/room/BatchMemory.ts"

const KIB = 1024

const batch = (length: number, fill: number) => new Uint8Array(length).fill(fill)

const copyOf = (memory: BatchMemory, length: number, fill: number) => memory.take(length).fill(fill)

const overlap = (a: Buffer, b: Buffer) =>
  a.buffer === b.buffer && a.byteOffset < b.byteOffset + b.length && b.byteOffset < a.byteOffset + a.length

describe("BatchMemory", () => {
  it.each([100, 16 * KIB, 17 * KIB, 190 * KIB, 600 * KIB])(
    "gives a batch of %i bytes the memory of the last",
    (length) => {
      const memory = new BatchMemory()
      const first = copyOf(memory, length, 1)
      memory.release(first)
      const second = copyOf(memory, length - 9, 2)
      assert.isTrue(overlap(first, second))
      assert.deepEqual(new Uint8Array(second), batch(length - 9, 2))
    }
  )

  it("gives long and short batches in turn the memory of the last of their size", () => {
    const memory = new BatchMemory()
    const [long, short] = [copyOf(memory, 130 * KIB, 1), copyOf(memory, 20 * KIB, 2)]
    for (const copy of [long, short]) memory.release(copy)
    for (let i = 0; i < 3; i++) {
      for (const last of [long, short]) {
        const copy = copyOf(memory, last.length, 3)
        assert.isTrue(overlap(last, copy))
        memory.release(copy)
      }
    }
  })

  it("returns the memory of a batch of long lines", () => {
    const memory = new BatchMemory()
    const copy = copyOf(memory, 769 * KIB, 1)
    memory.release(copy)
    assert.strictEqual(copy.length, 0)
    assert.deepEqual(new Uint8Array(copyOf(memory, 769 * KIB, 2)), batch(769 * KIB, 2))
  })

  it.each([100, 16 * KIB + 1])("leaves a batch of %i bytes alone that is kept", (length) => {
    const memory = new BatchMemory()
    const kept = copyOf(memory, length, 1)
    for (let fill = 2; fill < 9; fill++) memory.release(copyOf(memory, length, fill))
    assert.deepEqual(new Uint8Array(kept), batch(length, 1))
  })

  it.each([100, 16 * KIB + 1])("leaves a batch of %i bytes alone that is made while another is sent", (length) => {
    const memory = new BatchMemory()
    memory.release(copyOf(memory, length, 0))
    const sent = copyOf(memory, length, 1)
    const kept = copyOf(memory, length, 2)
    assert.deepEqual(new Uint8Array(sent), batch(length, 1))
    memory.release(sent)
    for (let fill = 3; fill < 9; fill++) {
      const copies = [copyOf(memory, length, fill), copyOf(memory, length, fill)]
      for (const copy of copies.toReversed()) memory.release(copy)
    }
    assert.deepEqual(new Uint8Array(kept), batch(length, 2))
  })

  it("cuts small batches that are kept one behind the other", () => {
    const memory = new BatchMemory()
    const [first, second] = [copyOf(memory, 100, 1), copyOf(memory, 50, 2)]
    assert.strictEqual(first.buffer, second.buffer)
    assert.strictEqual(second.byteOffset, first.byteOffset + 100)
  })

  it.each([100, 17 * KIB])(
    "gives batches of %i bytes the memory of the last, in whatever order those were released",
    (length) => {
      const memory = new BatchMemory()
      const three = () => [copyOf(memory, length, 1), copyOf(memory, length, 2), copyOf(memory, length, 3)] as const
      const [first, second, third] = three()
      for (const copy of [second, third, first]) memory.release(copy)
      const again = three()
      for (const copy of again) assert.isTrue([first, second, third].some((last) => overlap(last, copy)))
      for (const [i, copy] of again.entries()) assert.deepEqual(new Uint8Array(copy), batch(length, i + 1))
    }
  )

  it("does so for small batches when others, which are kept, have filled their memory", () => {
    const memory = new BatchMemory()
    for (let i = 0; i < 8; i++) copyOf(memory, 15 * KIB, 0)
    const [first, second] = [copyOf(memory, 10 * KIB, 1), copyOf(memory, 10 * KIB, 2)]
    for (const copy of [first, second]) memory.release(copy)
    assert.isTrue(overlap(first, copyOf(memory, 10 * KIB, 3)))
  })

  it("keeps the memory of rare batches while others come often", () => {
    const memory = new BatchMemory()
    const rare = copyOf(memory, 20 * KIB, 1)
    memory.release(rare)
    for (let i = 0; i < 30; i++) memory.release(copyOf(memory, 190 * KIB, 2))
    assert.isTrue(overlap(rare, copyOf(memory, 20 * KIB, 3)))
  })

  it("keeps 2 MiB for later batches, and returns the rest", () => {
    const memory = new BatchMemory()
    const copies = Array.from({ length: 20 }, () => copyOf(memory, 190 * KIB, 1))
    for (const copy of copies) memory.release(copy)
    const kept = copies.filter(({ length }) => length > 0)
    assert.isAtLeast(kept.length, 1)
    assert.isAtMost(kept.length * 190 * KIB, 2048 * KIB)
    assert.isTrue(overlap(kept.at(-1)!, copyOf(memory, 190 * KIB, 2)))
  })

  it("says when a batch is released, once, and of no other", () => {
    const memory = new BatchMemory()
    const [first, second] = [copyOf(memory, 100, 1), copyOf(memory, 20 * KIB, 2)]
    const released: Array<string> = []
    onceReleased(first, () => released.push("first"))
    onceReleased(second, () => released.push("second"))
    memory.release(second)
    memory.release(copyOf(memory, 20 * KIB, 3))
    assert.deepEqual(released, ["second"])
    memory.release(first)
    assert.deepEqual(released, ["second", "first"])
  })

  it("has a recipient that is slow keep no more than twice what a batch has, or 16 KiB more", () => {
    const memory = new BatchMemory()
    memory.release(copyOf(memory, 190 * KIB, 1))
    for (const length of [190 * KIB, 90 * KIB, 17 * KIB, 30 * KIB, 129 * KIB, 260 * KIB, 513 * KIB]) {
      const copy = copyOf(memory, length, 2)
      assert.isAtMost(copy.buffer.byteLength, Math.max(2 * length, length + 16 * KIB))
      memory.release(copy)
    }
  })
})
