import { lowerBound } from "../internal/Fifo.ts"
import { BATCH_OVERHEAD_BYTES } from "./Backlog.ts"
import type { Batch } from "./Frame.ts"

/** Batches are copied into pieces of memory of this size, in bytes; a larger batch has its own. */
const SLAB_BYTES = 256 * 1024

/** The most batches in one, so that what they take beside their bytes is no more than that. */
const SLAB_BATCHES = SLAB_BYTES / BATCH_OVERHEAD_BYTES

interface Slab {
  readonly memory: Buffer
  used: number
  /** Bytes, with what batches take beside. */
  cost: number
  readonly batches: Array<Batch>
}

/**
 * The newest batches of this process that NATS has confirmed, for relays that have missed them. Bounded in bytes: the oldest are forgotten.
 *
 * The bytes are copies. A batch shares its memory with others of its time, so keeping a small one could keep a hundred times its size.
 */
export class SentBatches {
  readonly #limitBytes: number
  /** From the oldest to the newest; none is empty. */
  #slabs: Array<Slab> = []
  #cost = 0
  /** That of forgotten batches, for the next. */
  #spare: Buffer | undefined

  /** @param limitBytes the most memory that is used, and one piece of memory more */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  /** Memory in use, in bytes. */
  get cost(): number {
    return this.#cost
  }

  /** Adds a batch with a higher number than all before. */
  add(batch: Batch): void {
    const slab = this.#slabFor(batch.bytes)
    const from = slab.used
    for (const { bytes } of batch.parts) {
      slab.memory.set(bytes, slab.used)
      slab.used += bytes.length
    }
    const bytes = slab.memory.subarray(from, slab.used)
    slab.batches.push({ ...batch, parts: [{ bytes, messages: batch.lines }] })
    slab.cost += BATCH_OVERHEAD_BYTES
    this.#cost += BATCH_OVERHEAD_BYTES
    while (this.#cost > this.#limitBytes && this.#slabs.length > 1) {
      const { cost, memory } = this.#slabs.shift()!
      this.#cost -= cost
      if (memory.length === SLAB_BYTES) this.#spare = memory
    }
  }

  /** The first batch with this number or a higher one. */
  from(sequence: number): Batch | undefined {
    const reaches = (batch: Batch | undefined) => batch!.sequence >= sequence
    const slab = this.#slabs[lowerBound(this.#slabs, 0, ({ batches }) => reaches(batches.at(-1)))]
    return slab?.batches[lowerBound(slab.batches, 0, reaches)]
  }

  #slabFor(bytes: number): Slab {
    const last = this.#slabs.at(-1)
    if (last !== undefined && last.memory.length - last.used >= bytes && last.batches.length < SLAB_BATCHES) return last
    const spare = bytes <= SLAB_BYTES ? this.#spare : undefined
    if (spare !== undefined) this.#spare = undefined
    const memory = spare ?? Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, bytes))
    const slab: Slab = { memory, used: 0, cost: memory.length, batches: [] }
    this.#slabs.push(slab)
    this.#cost += slab.cost
    return slab
  }
}
