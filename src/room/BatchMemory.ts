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

/** The most memory that waits for the next batch of its size. That of longer lines is returned. */
const LARGEST_SPARE_BYTES = 768 * 1024

const EMPTY = Buffer.alloc(0)

/**
 * The memory of batches on their way to recipients.
 *
 * In a room whose kernel buffers take everything at once it is the same memory, which the processor has in its cache, for every batch. A
 * batch that waits for a recipient keeps its memory.
 */
export class BatchMemory {
  #slab = EMPTY
  #slabBytes = 0
  /** For batches that are not cut from a slab: memory by its size. */
  readonly #spares = new Map<number, Buffer<ArrayBuffer> | undefined>()

  /** A copy of `batch`. */
  copy(batch: Uint8Array): Buffer<ArrayBuffer> {
    const copy = batch.length > SLAB_BATCH_BYTES ? this.#takeLarge(batch.length) : this.#cut(batch.length)
    copy.set(batch)
    return copy
  }

  /** Takes back a copy that no recipient keeps. Copies made since then stay as they are. */
  release(copy: Buffer<ArrayBuffer>): void {
    if (copy.buffer === this.#slab.buffer) {
      if (copy.byteOffset + copy.length === this.#slabBytes) this.#slabBytes = copy.byteOffset
    } else if (copy.length > SLAB_BATCH_BYTES) {
      const memory = Buffer.from(copy.buffer)
      if (memory.length <= LARGEST_SPARE_BYTES) this.#spares.set(memory.length, memory)
      else releaseMemory(memory)
    }
  }

  #takeLarge(length: number): Buffer<ArrayBuffer> {
    const step = Math.max(STEP_BYTES, 2 ** (30 - Math.clz32(length)))
    const bytes = Math.ceil(length / step) * step
    const memory = this.#spares.get(bytes) ?? Buffer.allocUnsafeSlow(bytes)
    // A new batch, made while this one is sent, must not get the same memory.
    this.#spares.set(bytes, undefined)
    return memory.subarray(0, length)
  }

  #cut(length: number): Buffer<ArrayBuffer> {
    if (this.#slabBytes + length > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
      this.#slabBytes = 0
    }
    const from = this.#slabBytes
    this.#slabBytes = from + length
    return this.#slab.subarray(from, this.#slabBytes)
  }
}
