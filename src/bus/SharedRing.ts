/**
 * A ring of batches in shared memory: one thread writes, every other thread reads each batch once. Nobody waits for a lock.
 *
 * | where               | what                                                                                          |
 * | ------------------- | --------------------------------------------------------------------------------------------- |
 * | line 0              | the writer's position: the end of the last batch                                              |
 * | line 1 + r          | of reader r: its position, its state, and how many batches were dropped for it                |
 * | from line 1 + n on  | records, each of whole units: the bytes and lines of a batch (Int32 each), then its bytes     |
 *
 * A line is one of the processor's cache, so that threads do not share one by accident. Positions count units of 8 bytes and wrap at
 * 2^32 of them. A record is never cut by the end of the ring: a mark says that the rest is not used.
 *
 * Both the reader and the writer move a reader's position, by compare-and-exchange: the reader after it has copied a batch, the writer
 * before it overwrites one. A reader that has lost the race has copied bytes that may be torn, and discards them. It would not notice if
 * 32 GiB, to the unit, were written during one copy.
 */
import type { BatchMemory } from "../room/BatchMemory.ts"
import type { Chunk } from "../room/Outbox.ts"

const CACHE_LINE_BYTES = 64
const LINE_WORDS = CACHE_LINE_BYTES / Int32Array.BYTES_PER_ELEMENT

const UNIT_BYTES = 8
const UNIT_WORDS = UNIT_BYTES / Int32Array.BYTES_PER_ELEMENT

/** In the place of the bytes of a batch: what follows up to the end of the ring is not used. */
const UNUSED = -1

/**
 * The ring begins anew behind so many bytes if all have read everything: a room that keeps up stays in the processor's cache, and what no
 * backlog has needed takes no memory.
 */
const HOT_BYTES = 256 * 1024

/** A reader joins by asking for it. The writer sees it before its next batch, and gives it its position: it alone knows which is safe. */
const ABSENT = 0
const JOINING = 1
const PRESENT = 2

const unitsOf = (bytes: number): number => 1 + Math.ceil(bytes / UNIT_BYTES)

/**
 * Allocates a ring.
 *
 * @param readers how many there can be; their indexes are from 0 up
 * @param capacityBytes a power of two; a batch has at most half of it
 * @param position where the first batch begins, in units; for tests of its wrap
 */
export const allocate = (readers: number, capacityBytes: number, position = 0): SharedArrayBuffer => {
  const memory = new SharedArrayBuffer((1 + readers) * CACHE_LINE_BYTES + capacityBytes)
  new Int32Array(memory)[0] = position
  return memory
}

/** What writer and reader see alike. */
class Ring {
  protected readonly words: Int32Array
  protected readonly content: Buffer
  protected readonly contentWords: Int32Array
  protected readonly capacity: number

  constructor(memory: SharedArrayBuffer, readers: number) {
    const header = (1 + readers) * CACHE_LINE_BYTES
    this.words = new Int32Array(memory, 0, header / Int32Array.BYTES_PER_ELEMENT)
    this.content = Buffer.from(memory, header)
    this.contentWords = new Int32Array(memory, header)
    this.capacity = (memory.byteLength - header) / UNIT_BYTES
  }

  protected get end(): number {
    return Atomics.load(this.words, 0)
  }

  /** Where in the ring a position is, in units. */
  protected offsetOf(position: number): number {
    return position & (this.capacity - 1)
  }

  /** The units of the record at an offset, or of the rest that is not used. */
  protected sizeAt(offset: number): number {
    const bytes = this.contentWords[offset * UNIT_WORDS]!
    return bytes === UNUSED ? this.capacity - offset : unitsOf(bytes)
  }

  /** Moves a reader from one position to another, unless it is elsewhere by now. */
  protected move(reader: number, from: number, units: number): boolean {
    const at = positionOf(reader)
    return Atomics.compareExchange(this.words, at, from, from + units) === from
  }
}

const positionOf = (reader: number): number => (1 + reader) * LINE_WORDS
const stateOf = (reader: number): number => positionOf(reader) + 1
const droppedOf = (reader: number): number => positionOf(reader) + 2

/** Takes a reader out: nothing is kept for it any more. */
export const detach = (memory: SharedArrayBuffer, reader: number): void => {
  Atomics.store(new Int32Array(memory), stateOf(reader), ABSENT)
}

/** What was dropped for a reader. */
export type OnDropped = (reader: number, bytes: number) => void

/** The side of the thread that a ring belongs to. One that takes the place of another goes on where that has stopped. */
export class RingWriter extends Ring {
  readonly #readers: number
  readonly #onDropped: OnDropped

  /**
   * @param readers as many as it was allocated for
   * @param onDropped called for each batch that a reader loses
   */
  constructor(memory: SharedArrayBuffer, readers: number, onDropped: OnDropped) {
    super(memory, readers)
    this.#readers = readers
    this.#onDropped = onDropped
  }

  /** The longest batch, in bytes. */
  get longestBytes(): number {
    return (this.capacity / 2 - 1) * UNIT_BYTES
  }

  /**
   * Adds a batch. Readers for which more than the limit would be kept lose their oldest batches.
   *
   * @param parts whole lines, in order
   * @param bytes of all parts, at most `longestBytes`: more is a `RangeError`
   * @param limitBytes what may be kept for a reader, this batch included; more than the ring has is no limit, and one batch is always kept
   */
  write(parts: ReadonlyArray<Chunk>, bytes: number, lines: number, limitBytes: number): void {
    if (bytes > this.longestBytes)
      throw new RangeError(`a batch of ${bytes} bytes: a shared ring takes ${this.longestBytes}`)
    this.#admit()
    const begin = this.#rewound()
    const offset = this.offsetOf(begin)
    const size = unitsOf(bytes)
    const unused = offset + size > this.capacity ? this.capacity - offset : 0
    const limit = Math.max(size, Math.min(this.capacity, Math.floor(limitBytes / UNIT_BYTES)))
    for (let reader = 0; reader < this.#readers; reader++) this.#makeRoom(reader, begin, unused + size, limit)
    if (unused > 0) this.contentWords[offset * UNIT_WORDS] = UNUSED
    const at = unused > 0 ? 0 : offset
    this.contentWords[at * UNIT_WORDS] = bytes
    this.contentWords[at * UNIT_WORDS + 1] = lines
    let to = (at + 1) * UNIT_BYTES
    // `set` copies byte by byte where one side is shared and the other is aligned differently.
    for (const part of parts) to += Buffer.prototype.copy.call(part.bytes, this.content, to)
    Atomics.store(this.words, 0, begin + unused + size)
  }

  /** What is kept for a reader, in bytes of the ring. */
  unreadBytes(reader: number): number {
    if (Atomics.load(this.words, stateOf(reader)) !== PRESENT) return 0
    return this.#unread(reader, this.end) * UNIT_BYTES
  }

  #unread(reader: number, end: number): number {
    return (end - Atomics.load(this.words, positionOf(reader))) >>> 0
  }

  /** Those who have asked read from here on. */
  #admit(): void {
    for (let reader = 0; reader < this.#readers; reader++) {
      const state = stateOf(reader)
      if (Atomics.load(this.words, state) !== JOINING) continue
      Atomics.store(this.words, positionOf(reader), this.end)
      Atomics.compareExchange(this.words, state, JOINING, PRESENT)
    }
  }

  /** Begins anew, if that costs nobody anything. Returns the position to write at. */
  #rewound(): number {
    const { end } = this
    const offset = this.offsetOf(end)
    if (offset < Math.min(HOT_BYTES / UNIT_BYTES, this.capacity / 4)) return end
    for (let reader = 0; reader < this.#readers; reader++) if (this.#isBehind(reader, end)) return end
    const units = this.capacity - offset
    this.contentWords[offset * UNIT_WORDS] = UNUSED
    Atomics.store(this.words, 0, end + units)
    for (let reader = 0; reader < this.#readers; reader++) this.move(reader, end, units)
    return this.end
  }

  #isBehind(reader: number, end: number): boolean {
    return Atomics.load(this.words, stateOf(reader)) === PRESENT && this.#unread(reader, end) > 0
  }

  /** Drops the oldest of a reader until no more than `limit` is kept for it, with `added` units more. */
  #makeRoom(reader: number, end: number, added: number, limit: number): void {
    while (this.#isBehind(reader, end) && this.#unread(reader, end) + added > limit) {
      const position = Atomics.load(this.words, positionOf(reader))
      // It may have caught up meanwhile, and where the writer is there is no record yet.
      if (position === end) return
      const offset = this.offsetOf(position)
      const bytes = this.contentWords[offset * UNIT_WORDS]!
      if (!this.move(reader, position, this.sizeAt(offset)) || bytes === UNUSED) continue
      Atomics.add(this.words, droppedOf(reader), 1)
      this.#onDropped(reader, bytes)
    }
  }
}

interface BatchCopy extends Chunk {
  readonly bytes: Buffer<ArrayBuffer>
}

/** The side of a thread that reads the ring of another. */
export class RingReader extends Ring {
  readonly #reader: number
  readonly #memory: SharedArrayBuffer
  #droppedBefore = 0

  /**
   * @param readers as many as it was allocated for
   * @param reader the index of this one
   */
  constructor(memory: SharedArrayBuffer, readers: number, reader: number) {
    super(memory, readers)
    this.#memory = memory
    this.#reader = reader
  }

  /** Gets what is written from now on. */
  join(): void {
    this.#droppedBefore = Atomics.load(this.words, droppedOf(this.#reader))
    Atomics.store(this.words, stateOf(this.#reader), JOINING)
  }

  leave(): void {
    detach(this.#memory, this.#reader)
  }

  /** Batches that were dropped because this reader did not keep up, since it joined. */
  get dropped(): number {
    return (Atomics.load(this.words, droppedOf(this.#reader)) - this.#droppedBefore) >>> 0
  }

  get hasUnread(): boolean {
    return (
      Atomics.load(this.words, stateOf(this.#reader)) === PRESENT &&
      Atomics.load(this.words, positionOf(this.#reader)) !== this.end
    )
  }

  /** What was written before now; returns whether it has been read. */
  writtenSoFar(): () => boolean {
    const { end } = this
    return () =>
      Atomics.load(this.words, stateOf(this.#reader)) !== PRESENT ||
      ((end - Atomics.load(this.words, positionOf(this.#reader))) | 0) <= 0
  }

  /** The next batch, copied to `memory`; `undefined` if there is none. */
  read(memory: BatchMemory): BatchCopy | undefined {
    while (Atomics.load(this.words, stateOf(this.#reader)) === PRESENT) {
      const position = Atomics.load(this.words, positionOf(this.#reader))
      // In this order: up to an end that is read later there are only whole records.
      if (position === this.end) return undefined
      const offset = this.offsetOf(position)
      const bytes = this.contentWords[offset * UNIT_WORDS]!
      const lines = this.contentWords[offset * UNIT_WORDS + 1]!
      const size = this.sizeAt(offset)
      if (bytes === UNUSED) {
        this.move(this.#reader, position, size)
        continue
      }
      if (bytes <= 0 || offset + size > this.capacity) {
        // Overwritten, and so dropped.
        if (Atomics.load(this.words, positionOf(this.#reader)) !== position) continue
        throw new Error(`a record of ${bytes} bytes at ${offset} of a shared ring`)
      }
      const from = (offset + 1) * UNIT_BYTES
      const copy = memory.take(bytes)
      this.content.copy(copy, 0, from, from + bytes)
      if (this.move(this.#reader, position, size)) return { bytes: copy, messages: lines }
      memory.release(copy)
    }
    return undefined
  }
}
