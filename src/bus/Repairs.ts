import type * as Frame from "./Frame.ts"
import { RECEIVER_WINDOW_BYTES, WINDOW_BYTES } from "./windows.ts"

/** The most bytes a second, for all processes together, that are sent again to those that have missed them. */
const REPAIR_BYTES_PER_SECOND = 16 * 1024 * 1024

/** The most processes that get missed batches at the same time. More have to ask again. */
const MAX_REPAIRS = 256

/** Time between two sends of missed batches while their rate is at its limit, in milliseconds. */
const REPAIR_PAUSE_MILLIS = 100

/** A process that gets batches again. */
interface Repair {
  /** The number of the next one. */
  next: number
  /** The end of the last one, and of those that it has handled, in bytes as in `Receiver`. */
  sentEnd: number
  end: number
}

/** Sends batches again to processes that have missed them, in turn: to each within its window, to all together at a limited rate. */
export class Repairs {
  /** Bytes sent again that NATS has not confirmed. */
  unconfirmedBytes = 0

  readonly #batchFrom: (sequence: number) => Frame.Batch | undefined
  readonly #goOn: () => void
  readonly #repairs = new Map<string, Repair>()
  #timer: NodeJS.Timeout | undefined
  /** Bytes that may be sent again now, as of a moment. */
  #allowedBytes = REPAIR_BYTES_PER_SECOND
  #allowedMillis = performance.now()

  /**
   * @param batchFrom the first batch with this number or a higher one, as far as they are kept
   * @param goOn called when the rate allows more: calls `send`
   */
  constructor(batchFrom: (sequence: number) => Frame.Batch | undefined, goOn: () => void) {
    this.#batchFrom = batchFrom
    this.#goOn = goOn
  }

  /** A process is to get `first` and what follows it. Returns whether it will; if not, too many others do. */
  begin(id: string, first: Frame.Batch): boolean {
    if (this.#repairs.size === MAX_REPAIRS && !this.#repairs.has(id)) return false
    const end = first.end - first.bytes
    this.#repairs.set(id, { next: first.sequence, sentEnd: end, end })
    return true
  }

  /** A process has handled everything up to `end`. Returns whether it may get more. */
  acknowledged(id: string, end: number): boolean {
    const repair = this.#repairs.get(id)
    if (repair === undefined || end <= repair.end) return false
    repair.end = end
    return true
  }

  forget(id: string): void {
    this.#repairs.delete(id)
  }

  /** Forgets all, with the connection. */
  clear(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#repairs.clear()
    this.unconfirmedBytes = 0
  }

  /** Sends what windows and rate allow; calls `goOn` later if it was the rate that did not. */
  send(sendTo: (batch: Frame.Batch, id: string) => void): void {
    const now = performance.now()
    const earned = ((now - this.#allowedMillis) * REPAIR_BYTES_PER_SECOND) / 1000
    this.#allowedBytes = Math.min(REPAIR_BYTES_PER_SECOND, this.#allowedBytes + earned)
    this.#allowedMillis = now
    for (const [id, repair] of this.#repairs) {
      if (this.#allowedBytes <= 0 || this.unconfirmedBytes >= WINDOW_BYTES) break
      if (repair.sentEnd - repair.end >= RECEIVER_WINDOW_BYTES) continue
      this.#repairs.delete(id)
      const batch = this.#batchFrom(repair.next)
      if (batch === undefined) continue
      sendTo(batch, id)
      repair.next = batch.sequence + 1
      repair.sentEnd = batch.end
      this.#allowedBytes -= batch.bytes
      this.unconfirmedBytes += batch.bytes
      // Comes up again behind the others.
      this.#repairs.set(id, repair)
    }
    if (this.#allowedBytes > 0 || this.#timer !== undefined) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#goOn()
    }, REPAIR_PAUSE_MILLIS)
  }
}
