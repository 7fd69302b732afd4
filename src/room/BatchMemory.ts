/**
 * Small batches are cut from slabs of this size, one behind the other: those that wait for a slow recipient are neighbours, which
 * its outbox merges.
 */
const SLAB_BYTES = 128 * 1024

/** The largest batch cut from a slab. The end of a slab that is too short for the next batch is wasted. */
const SLAB_BATCH_BYTES = SLAB_BYTES / 8

/** Memory of a larger batch has a multiple of this size, so that it serves the next one, too. */
const STEP_BYTES = 16 * 1024

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
  /** For a batch that is not cut from a slab. */
  #large = EMPTY

  /** A copy of `batch`. */
  copy(batch: Uint8Array): Buffer<ArrayBuffer> {
    const copy = batch.length > SLAB_BATCH_BYTES ? this.#takeLarge(batch.length) : this.#cut(batch.length)
    copy.set(batch)
    return copy
  }

  /** Takes back a copy that no recipient keeps. Copies made since then stay as they are. */
  release(copy: Buffer<ArrayBuffer>): void {
    if (copy.buffer !== this.#slab.buffer) {
      if (copy.length > SLAB_BATCH_BYTES) this.#large = Buffer.from(copy.buffer)
    } else if (copy.byteOffset + copy.length === this.#slabBytes) {
      this.#slabBytes = copy.byteOffset
    }
  }

  #takeLarge(length: number): Buffer<ArrayBuffer> {
    const last = this.#large
    // A new batch, made while this one is sent, must not get the same memory.
    this.#large = EMPTY
    // Memory that is much too large would be kept with the batch by a recipient that is slow.
    if (length <= last.length && length >= last.length / 2) return last.subarray(0, length)
    return Buffer.allocUnsafeSlow(Math.ceil(length / STEP_BYTES) * STEP_BYTES).subarray(0, length)
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
