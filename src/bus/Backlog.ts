import type { Batch } from "./Frame.ts"

/**
 * The batches of this process that the engine has not confirmed, in order: first those that were sent, then those that wait. What
 * was sent and not confirmed when a connection is lost is sent again; whoever has it already recognises its number.
 *
 * Bounded in bytes: above the limit the oldest that waits is dropped, because those who are behind by so much want to know about now.
 */
export class Backlog {
  readonly #limitBytes: number
  #sent = new Fifo<Batch>()
  #waiting = new Fifo<Batch>()
  #sentBytes = 0
  #waitingBytes = 0

  /** @param limitBytes what all of them may have together; what was sent already, and a single batch, may have more */
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
    while (this.bytes + batch.bytes > this.#limitBytes && this.#waiting.length > 0) {
      this.#waitingBytes -= this.#waiting.shift()!.bytes
      dropped++
    }
    this.#waiting.push(batch)
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

  /** Everything that was sent up to this number has arrived. */
  confirm(sequence: number): void {
    while (this.#sent.length > 0 && this.#sent.first!.sequence <= sequence) this.#sentBytes -= this.#sent.shift()!.bytes
  }

  /** Nothing counts as sent any more. */
  rewind(): void {
    this.#waiting = new Fifo([...this.#sent.rest, ...this.#waiting.rest])
    this.#sent = new Fifo()
    this.#waitingBytes += this.#sentBytes
    this.#sentBytes = 0
  }
}

/** An array of which the front is given back once it is half of it: that bounds both the array and the cost of a shift. */
class Fifo<A> {
  #items: Array<A | undefined>
  #head = 0

  constructor(items: Array<A> = []) {
    this.#items = items
  }

  get length(): number {
    return this.#items.length - this.#head
  }

  get first(): A | undefined {
    return this.#items[this.#head]
  }

  get rest(): ReadonlyArray<A> {
    return this.#items.slice(this.#head) as Array<A>
  }

  push(item: A): void {
    this.#items.push(item)
  }

  shift(): A | undefined {
    const item = this.#items[this.#head]
    if (item === undefined) return undefined
    this.#items[this.#head++] = undefined
    if (this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }
}
