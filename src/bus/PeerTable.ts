/** Silence after which a process counts as gone, in milliseconds: three missed signs of life, one a second, and a margin. */
export const SILENCE_MILLIS = 3500

/** The most other processes. Of more, the one heard longest ago counts as gone. */
export const MAX_PEERS = 1024

interface Heard<A> {
  readonly known: A
  readonly atMillis: number
}

/**
 * The other processes that are alive: those that have been heard lately.
 *
 * Times are in milliseconds of one monotonic clock, which the caller reads.
 *
 * @typeParam A data of a process
 */
export class PeerTable<A> {
  /** In the order in which they were last heard. */
  readonly #peers = new Map<string, Heard<A>>()

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
    this.#peers.set(id, { known, atMillis: nowMillis })
  }

  /** Removes a process. Returns its data. */
  leave(id: string): A | undefined {
    const known = this.get(id)
    this.#peers.delete(id)
    return known
  }

  /** Processes that count as gone. They stay in the table until they `leave`. */
  gone(nowMillis: number): ReadonlyArray<string> {
    const gone: Array<string> = []
    for (const [id, { atMillis }] of this.#peers) {
      if (this.#peers.size - gone.length <= MAX_PEERS && nowMillis - atMillis <= SILENCE_MILLIS) break
      gone.push(id)
    }
    return gone
  }
}
