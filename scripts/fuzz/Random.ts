/** Numbers that look random and are the same for the same seed (mulberry32). */
export class Random {
  #state: number

  /** @param seed 32 bits of it count */
  constructor(seed: number) {
    this.#state = seed | 0
  }

  /** A whole number from 0 to `bound - 1`. */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let x = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x
    return Math.floor((((x ^ (x >>> 14)) >>> 0) / 4_294_967_296) * bound)
  }

  /** One of the items, of which there must be one. */
  pick<T>(items: ArrayLike<T>): T {
    return items[this.below(items.length)]!
  }
}
