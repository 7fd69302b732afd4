/**
 * The most clients in quarantine at once. Above it the oldest is released early: whoever owns more addresses than this is
 * not stopped by a list of them, and must not be able to fill the memory with it.
 */
export const MAX_ENTRIES = 65_536

/**
 * When each client in quarantine may come back, by its key, in milliseconds of the monotonic clock. Bounded: the oldest gives way. Each
 * method is one step, also where threads share the list.
 */
export interface Releases {
  readonly get: (key: string) => number | undefined
  /** Adds a key, or changes its release: either way it is the newest. Returns the release of the oldest, if it had to give way. */
  readonly set: (key: string, release: number) => number | undefined
  /** Returns the release that the key had. */
  readonly delete: (key: string) => number | undefined
  /** Deletes those whose release is past. Returns how many there were. */
  readonly sweep: (now: number) => number
  /** Those whose release is not past, the oldest first. */
  readonly list: (now: number) => ReadonlyArray<{ readonly key: string; readonly release: number }>
  readonly countAfter: (now: number) => number
  /** Swept or not. */
  readonly size: number
}

/** The list of one thread. */
export class LocalReleases implements Releases {
  readonly #capacity: number
  /** The newest comes last. */
  readonly #releases = new Map<string, number>()

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get(key: string): number | undefined {
    return this.#releases.get(key)
  }

  set(key: string, release: number): number | undefined {
    this.#releases.delete(key)
    this.#releases.set(key, release)
    if (this.#releases.size <= this.#capacity) return undefined
    return this.delete(this.#releases.keys().next().value!)
  }

  delete(key: string): number | undefined {
    const release = this.#releases.get(key)
    this.#releases.delete(key)
    return release
  }

  sweep(now: number): number {
    const before = this.size
    for (const [key, release] of this.#releases) if (release <= now) this.#releases.delete(key)
    return before - this.size
  }

  list(now: number): ReadonlyArray<{ readonly key: string; readonly release: number }> {
    return Array.from(this.#releases, ([key, release]) => ({ key, release })).filter(({ release }) => release > now)
  }

  countAfter(now: number): number {
    let count = 0
    for (const release of this.#releases.values()) if (release > now) count++
    return count
  }

  get size(): number {
    return this.#releases.size
  }
}
