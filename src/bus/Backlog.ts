import { Fifo } from "../internal/Fifo.ts"
import { BatchMemory } from "../room/BatchMemory.ts"
import type { Batch } from "./Frame.ts"

/** The memory of a batch beside its bytes. */
export const BATCH_OVERHEAD_BYTES = 256

interface Copy extends Batch {
  readonly copy: Buffer<ArrayBuffer>
}

/**
 * The batches of this process that NATS has not confirmed, in order: first those that were sent, then those that wait. Batches that were sent
 * and not confirmed when a connection is lost are sent again; receivers recognise their numbers.
 *
 * Bounded in bytes: above the limit the oldest batch that waits is dropped, because clients that are so far behind need the newest lines.
 * The bytes are copies: the room uses its memory again.
 */
export class Backlog {
  readonly #limitBytes: number
  readonly #memory = new BatchMemory()
  #sent = new Fifo<Copy>()
  #waiting = new Fifo<Copy>()
  #sentBytes = 0
  #waitingBytes = 0

  /**
   * @param limitBytes bytes of all batches with what they take beside; batches that were sent, and a single batch, may have more
   */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get length(): number {
    return this.#sent.length + this.#waiting.length
  }

  /** Of all batches. */
  get bytes(): number {
    return this.#sentBytes + this.#waitingBytes
  }

  /** Of those that were sent and are not confirmed. */
  get sentBytes(): number {
    return this.#sentBytes
  }

  /**
   * Adds a batch to the end.
   *
   * @returns how many others were dropped for it
   */
  push(batch: Batch): number {
    let dropped = 0
    while (this.#costWith(batch) > this.#limitBytes && this.#waiting.length > 0) {
      const oldest = this.#waiting.shift()!
      this.#waitingBytes -= oldest.bytes
      this.#memory.release(oldest.copy)
      ;(this.#waiting.first ?? batch).dropped += oldest.dropped + 1
      dropped++
    }
    this.#waiting.push(this.#copyOf(batch))
    this.#waitingBytes += batch.bytes
    return dropped
  }

  /** The next batch to send, which counts as sent from now on. */
  take(): Batch | undefined {
    const batch = this.#waiting.shift()
    if (batch === undefined) return undefined
    this.#waitingBytes -= batch.bytes
    this.#sent.push(batch)
    this.#sentBytes += batch.bytes
    return batch
  }

  /** Batches up to this number have arrived: they are handed to `onConfirmed` in order, and not kept any more, nor are their bytes. */
  confirm(sequence: number, onConfirmed: (batch: Batch) => void): void {
    while (this.#sent.length > 0 && this.#sent.first!.sequence <= sequence) {
      const batch = this.#sent.shift()!
      this.#sentBytes -= batch.bytes
      onConfirmed(batch)
      this.#memory.release(batch.copy)
    }
  }

  /** The first batch with this number or a higher one that was sent. */
  sentFrom(sequence: number): Batch | undefined {
    return this.#sent.find((batch) => batch.sequence >= sequence)
  }

  /** The number of the first batch that was sent or waits and has this number or a higher one. */
  numberFrom(sequence: number): number | undefined {
    return (this.sentFrom(sequence) ?? this.#waiting.find((batch) => batch.sequence >= sequence))?.sequence
  }

  #copyOf(batch: Batch): Copy {
    const copy = this.#memory.take(batch.bytes)
    let at = 0
    for (const { bytes } of batch.parts) {
      copy.set(bytes, at)
      at += bytes.length
    }
    return { ...batch, parts: [{ bytes: copy, messages: batch.lines }], copy }
  }

  #costWith(batch: Batch): number {
    return this.bytes + batch.bytes + (this.length + 1) * BATCH_OVERHEAD_BYTES
  }

  /** Nothing counts as sent any more. */
  rewind(): void {
    this.#waiting = new Fifo([...this.#sent.rest, ...this.#waiting.rest])
    this.#sent = new Fifo()
    this.#waitingBytes += this.#sentBytes
    this.#sentBytes = 0
  }
}
