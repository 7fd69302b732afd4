/** A process that has not been heard for so long is gone, in milliseconds: three signs of life, one a second, and some patience. */
export const SILENCE_MILLIS = 3500

/** The most other processes that are told apart. Of more, whoever was heard longest ago is gone. */
export const MAX_PEERS = 1024

interface Heard<A> {
  readonly known: A
  readonly atMillis: number
}

/**
 * The other processes that are there: those that have been heard lately.
 *
 * Times are in milliseconds of one clock that never goes back; the caller reads it.
 *
 * @typeParam A what is known of a process
 */
export class PeerTable<A> {
  /** Who was heard last comes last. */
  readonly #peers = new Map<string, Heard<A>>()

  get size(): number {
    return this.#peers.size
  }

  get(id: string): A | undefined {
    return this.#peers.get(id)?.known
  }

  /** In the order in which they were heard, as is everything here. */
  *entries(): Iterable<readonly [id: string, known: A]> {
    for (const [id, { known }] of this.#peers) yield [id, known]
  }

  /** A process has given a sign of life, and this is what is known of it now. */
  heard(id: string, known: A, nowMillis: number): void {
    this.#peers.delete(id)
    this.#peers.set(id, { known, atMillis: nowMillis })
  }

  /** A process has gone. Returns what was known of it. */
  leave(id: string): A | undefined {
    const known = this.get(id)
    this.#peers.delete(id)
    return known
  }

  /** Those that are gone without having said so, which are still there until they `leave`. */
  gone(nowMillis: number): ReadonlyArray<string> {
    const gone: Array<string> = []
    for (const [id, { atMillis }] of this.#peers) {
      if (this.#peers.size - gone.length <= MAX_PEERS && nowMillis - atMillis <= SILENCE_MILLIS) break
      gone.push(id)
    }
    return gone
  }
}
