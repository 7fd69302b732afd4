import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import { BatchMemory } from "../../src/room/BatchMemory.ts"
import * as SharedRing from "../../src/bus/SharedRing.ts"
import * as arbitraries from "../support/Arbitraries.ts"
import { runs } from "../support/runs.ts"

const READERS = 3
const CAPACITY = 512

/** Positions that wrap soon, as a number of 32 bits and as one of 31. */
const POSITIONS = [0, -20, 2 ** 31 - 20]

interface Written {
  readonly id: number
  readonly bytes: number
}

/** A batch of which every byte tells which it is. */
const contentOf = ({ bytes, id }: Written) => Buffer.alloc(bytes, id)

/** A reader between whose steps anything may happen. */
class InterruptedReader extends SharedRing.RingReader {
  interrupt = () => {}

  protected override get end(): number {
    this.interrupt()
    const end = super.end
    this.interrupt()
    return end
  }

  protected override offsetOf(position: number): number {
    this.interrupt()
    return super.offsetOf(position)
  }

  protected override move(reader: number, from: number, units: number): boolean {
    this.interrupt()
    return super.move(reader, from, units)
  }
}

class InterruptedWriter extends SharedRing.RingWriter {
  interrupt = () => {}

  protected override move(reader: number, from: number, units: number): boolean {
    this.interrupt()
    return super.move(reader, from, units)
  }
}

/** A ring, and what each of its readers has to get from it. */
class Model {
  readonly memory: SharedArrayBuffer
  readonly batchMemory = new BatchMemory()
  readonly readers: ReadonlyArray<InterruptedReader>
  writer!: InterruptedWriter
  /** What is kept for each; `undefined`: it is not there. */
  readonly kept: Array<Array<Written> | undefined> = Array.from({ length: READERS }, () => undefined)
  readonly joining = new Set<number>()
  readonly dropped: Array<number> = Array.from({ length: READERS }, () => 0)
  #id = 0

  constructor(position: number) {
    this.memory = SharedRing.allocate(READERS, CAPACITY, position)
    this.readers = Array.from({ length: READERS }, (_, i) => new InterruptedReader(this.memory, READERS, i))
    this.replaceWriter()
  }

  replaceWriter(): void {
    this.writer = new InterruptedWriter(this.memory, READERS, (reader, bytes) => {
      this.dropped[reader]!++
      assert.strictEqual(this.kept[reader]!.shift()?.bytes, bytes)
    })
  }

  join(reader: number): void {
    this.readers[reader]!.join()
    this.kept[reader] = undefined
    this.dropped[reader] = 0
    this.joining.add(reader)
  }

  leave(reader: number): void {
    this.readers[reader]!.leave()
    this.kept[reader] = undefined
    this.joining.delete(reader)
  }

  write(bytes: number, parts: number, limitBytes: number): void {
    for (const reader of this.joining) this.kept[reader] = []
    this.joining.clear()
    // Like anything where a reader expects the length of a record.
    const written = { id: (++this.#id * 97) % 251, bytes }
    const content = contentOf(written)
    const size = Math.ceil(bytes / parts)
    const chunks = Array.from({ length: Math.ceil(bytes / size) }, (_, i) => ({
      bytes: new Uint8Array(content.subarray(i * size, (i + 1) * size)),
      messages: 1
    }))
    this.writer.write(chunks, bytes, written.id, limitBytes)
    for (const [reader, kept] of this.kept.entries()) {
      kept?.push(written)
      const ofContent = kept?.reduce((sum, { bytes }) => sum + bytes, 0) ?? 0
      const unread = this.writer.unreadBytes(reader)
      assert.isAtLeast(unread, ofContent)
      // Of the end of the ring less remains unused than the batch would have needed.
      assert.isAtMost(unread, Math.max(Math.min(limitBytes, CAPACITY), 2 * (bytes + 16)))
    }
  }

  read(reader: number): void {
    const batch = this.readers[reader]!.read(this.batchMemory)
    const expected = this.kept[reader]?.shift()
    assert.deepStrictEqual(
      batch && { bytes: Buffer.from(batch.bytes), messages: batch.messages },
      expected && { bytes: contentOf(expected), messages: expected.id }
    )
    if (batch !== undefined) this.batchMemory.release(batch.bytes)
    const next = this.batchMemory.take(1)
    assert.strictEqual(next.byteOffset, 0, "all has been released")
    this.batchMemory.release(next)
    assert.strictEqual(this.readers[reader]!.dropped, this.dropped[reader])
  }
}

describe("SharedRing", () => {
  const write = { bytes: arbitraries.int(1, 248), limit: arbitraries.int(8, 1000), parts: arbitraries.int(1, 4) }
  const step = Arbitrary.all({
    what: arbitraries.int(0, 15),
    reader: arbitraries.int(0, READERS - 1),
    count: arbitraries.int(1, 6),
    ...write
  })

  it.prop(
    "gives every reader every batch once, whole and in order, and drops only its oldest, whoever is interrupted when",
    { position: arbitraries.int(0, 2), steps: Arbitrary.array(step, { minLength: 1, maxLength: 200 }) },
    ({ position, steps }) => {
      const model = new Model(POSITIONS[position]!)
      for (let reader = 0; reader < READERS; reader++) model.join(reader)
      for (const { bytes, count, limit, parts, reader, what } of steps) {
        if (what <= 5) model.write(bytes, parts, limit)
        else if (what <= 9) for (let i = 0; i < count; i++) model.read(reader)
        else if (what === 10) model.join(reader)
        else if (what === 11) model.leave(reader)
        else if (what === 12) model.replaceWriter()
        else if (what <= 14) {
          // While it reads, so much is written that its batch may be dropped and overwritten.
          let left = count
          model.readers[reader]!.interrupt = () => {
            if (left-- > 0) model.write(bytes, parts, limit)
          }
          model.read(reader)
          model.readers[reader]!.interrupt = () => {}
        } else {
          // While the writer drops one of its batches, it reads some.
          let left = count
          model.writer.interrupt = () => {
            if (left-- > 0) model.read(reader)
          }
          model.write(bytes, parts, limit)
          model.writer.interrupt = () => {}
        }
      }
      for (let reader = 0; reader < READERS; reader++) {
        while (model.kept[reader] !== undefined && model.kept[reader]!.length > 0) model.read(reader)
        model.read(reader)
      }
    },
    runs(100)
  )

  const ring = (capacity: number) => {
    const memory = SharedRing.allocate(1, capacity)
    const dropped: Array<number> = []
    const writer = new SharedRing.RingWriter(memory, 1, (_reader, bytes) => dropped.push(bytes))
    const reader = new SharedRing.RingReader(memory, 1, 0)
    const write = (bytes: number, limit = capacity) =>
      writer.write([{ bytes: Buffer.alloc(bytes, bytes), messages: 1 }], bytes, 1, limit)
    return { dropped, memory, reader, write, writer }
  }

  it("uses no more than its beginning for a reader that keeps up, and keeps nothing for it but what it has not read", () => {
    const { memory, reader, write, writer } = ring(4096)
    reader.join()
    for (let i = 0; i < 200; i++) {
      write(40)
      assert.strictEqual(writer.unreadBytes(0), 48)
      assert.strictEqual(reader.read(new BatchMemory())?.bytes.length, 40)
    }
    assert.isTrue(new Uint8Array(memory, memory.byteLength - 4096 + 1024 + 48).every((byte) => byte === 0))
  })

  it("takes a batch of half of it, whatever is kept, and none that is longer", () => {
    const { dropped, reader, write, writer } = ring(4096)
    reader.join()
    write(100)
    write(writer.longestBytes, 0)
    assert.deepStrictEqual(dropped, [100])
    assert.strictEqual(reader.read(new BatchMemory())?.bytes.length, 2040)
    assert.throws(() => write(writer.longestBytes + 1), RangeError)
  })
})
