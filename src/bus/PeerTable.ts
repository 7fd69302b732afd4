/** Silence after which a process counts as gone, in milliseconds: three missed signs of life, one a second, and a margin. */
export const SILENCE_MILLIS = 3500

/** The most that time moves on between two looks at the table: others are heard, or looked for, every second. */
const STEP_MILLIS = 1500

/** The most other processes. Of more, the one heard longest ago counts as gone. */
export const MAX_PEERS = 1024

interface Heard<A> {
  readonly known: A
  readonly atMillis: number
}

/**
 * The other processes that are alive: those that have been heard lately.
 *
 * Times are in milliseconds of one monotonic clock, which the caller reads. Its leaps do not count: what others said while this process was
 * stopped, or had no connection, has yet to be read.
 *
 * @typeParam A data of a process
 */
export class PeerTable<A> {
  /** In the order in which they were last heard. */
  readonly #peers = new Map<string, Heard<A>>()
  #passedMillis = 0
  #lastMillis = -Infinity

  get size(): number {
    return this.#peers.size
  }

  get(id: string): A | undefined {
    return this.#peers.get(id)?.known
  }

  /** In the order in which they were last heard. */
  *entries(): Iterable<readonly [id: string, known: A]> {
    for (const [id, { known }] of this.#peers) yield [id, known]
  }

  /** Notes a sign of life of a process, with its data. */
  heard(id: string, known: A, nowMillis: number): void {
    this.#peers.delete(id)
    this.#peers.set(id, { known, atMillis: this.#passedAt(nowMillis) })
  }

  /** Removes a process. Returns its data. */
  leave(id: string): A | undefined {
    const known = this.get(id)
    this.#peers.delete(id)
    return known
  }

  /** Processes that count as gone. They stay in the table until they `leave`. */
  gone(nowMillis: number): ReadonlyArray<string> {
    const passedMillis = this.#passedAt(nowMillis)
    const gone: Array<string> = []
    for (const [id, { atMillis }] of this.#peers) {
      if (this.#peers.size - gone.length <= MAX_PEERS && passedMillis - atMillis <= SILENCE_MILLIS) break
      gone.push(id)
    }
    return gone
  }

  #passedAt(nowMillis: number): number {
    this.#passedMillis += Math.min(nowMillis - this.#lastMillis, STEP_MILLIS)
    this.#lastMillis = nowMillis
    return this.#passedMillis
  }
}
