import { releaseMemory } from "../internal/releaseMemory.ts"

/**
 * Small batches are cut from slabs of this size, one behind the other: those that wait for a slow recipient are neighbours, which
 * its outbox merges.
 */
const SLAB_BYTES = 128 * 1024

/** The largest batch cut from a slab. The end of a slab that is too short for the next batch is wasted. */
const SLAB_BATCH_BYTES = SLAB_BYTES / 8

/**
 * The memory of a larger batch is a multiple of this size, or of half the largest power of two in its length, if that is more. So there are
 * few sizes, and it serves other batches of about its length.
 */
const STEP_BYTES = 32 * 1024

/** The most memory that waits for the next batches of its size. That of longer lines is returned. */
const LARGEST_SPARE_BYTES = 768 * 1024
const SPARE_BYTES = 2 * 1024 * 1024

const EMPTY = Buffer.alloc(0)

/** What else ends with a batch. */
const ends = new WeakMap<Uint8Array, () => void>()

/**
 * Calls `release` when no recipient needs the bytes of this batch any more, nor what was made of them. A batch that is left to the garbage
 * collector is never released.
 */
export const onceReleased = (batch: Uint8Array, release: () => void): void => void ends.set(batch, release)

/**
 * The memory of batches on their way to recipients.
 *
 * In a room whose kernel buffers take everything at once it is the same memory, which the processor has in its cache, for every batch. A
 * batch that waits for a recipient keeps its memory.
 */
export class BatchMemory {
  #slab = EMPTY
  #slabBytes = 0
  /** Batches in the slab that have not been released. */
  #slabBatches = 0
  /** For batches that are not cut from a slab: memory by its size. */
  readonly #spares = new Map<number, Array<Buffer<ArrayBuffer>>>()
  #spareBytes = 0

  /** Memory for a batch of `length` bytes. It has arbitrary contents. */
  take(length: number): Buffer<ArrayBuffer> {
    return length > SLAB_BATCH_BYTES ? this.#takeLarge(length) : this.#cut(length)
  }

  /** Takes back the memory of a batch that nobody needs any more. Other batches stay as they are. */
  release(batch: Buffer<ArrayBuffer>): void {
    ends.get(batch)?.()
    if (batch.buffer === this.#slab.buffer) {
      if (--this.#slabBatches === 0) this.#slabBytes = 0
      else if (batch.byteOffset + batch.length === this.#slabBytes) this.#slabBytes = batch.byteOffset
    } else if (batch.length > SLAB_BATCH_BYTES) this.#spare(Buffer.from(batch.buffer))
  }

  #takeLarge(length: number): Buffer<ArrayBuffer> {
    const step = Math.max(STEP_BYTES, 2 ** (30 - Math.clz32(length)))
    const bytes = Math.ceil(length / step) * step
    const spare = this.#spares.get(bytes)?.pop()
    if (spare !== undefined) this.#spareBytes -= bytes
    return (spare ?? Buffer.allocUnsafeSlow(bytes)).subarray(0, length)
  }

  #spare(memory: Buffer<ArrayBuffer>): void {
    if (memory.length > LARGEST_SPARE_BYTES) return releaseMemory(memory)
    if (this.#spareBytes + memory.length > SPARE_BYTES) {
      for (const memories of this.#spares.values()) for (const spare of memories) releaseMemory(spare)
      this.#spares.clear()
      this.#spareBytes = 0
    }
    const spares = this.#spares.get(memory.length)
    if (spares === undefined) this.#spares.set(memory.length, [memory])
    else spares.push(memory)
    this.#spareBytes += memory.length
  }

  #cut(length: number): Buffer<ArrayBuffer> {
    if (this.#slabBytes + length > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
      this.#slabBytes = 0
      this.#slabBatches = 0
    }
    const from = this.#slabBytes
    this.#slabBytes = from + length
    this.#slabBatches++
    return this.#slab.subarray(from, this.#slabBytes)
  }
}
