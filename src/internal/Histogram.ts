/** How values are spread, at one moment. */
export interface Distribution {
  /** For each bound, how many values were at most that. */
  readonly buckets: ReadonlyArray<readonly [bound: number, count: number]>
  readonly count: number
  readonly sum: number
  /** The least and the greatest; 0 while there is none. */
  readonly min: number
  readonly max: number
}

/** Counts values by how large they are. Plain numbers, because lines are counted by it. */
export class Histogram {
  readonly #bounds: ReadonlyArray<number>
  /** How many were above the bound before and at most this one; then, those above them all. */
  readonly #counts: Array<number>
  #count = 0
  #sum = 0
  #min = Infinity
  #max = -Infinity

  /** @param bounds ascending */
  constructor(bounds: ReadonlyArray<number>) {
    this.#bounds = bounds
    this.#counts = [...bounds.map(() => 0), 0]
  }

  /** Counts a value, `times` over. */
  observe(value: number, times: number): void {
    let bucket = 0
    while (bucket < this.#bounds.length && value > this.#bounds[bucket]!) bucket++
    this.#counts[bucket]! += times
    this.#count += times
    this.#sum += value * times
    if (value < this.#min) this.#min = value
    if (value > this.#max) this.#max = value
  }

  get distribution(): Distribution {
    let count = 0
    return {
      buckets: this.#bounds.map((bound, bucket) => [bound, (count += this.#counts[bucket]!)]),
      count: this.#count,
      sum: this.#sum,
      min: this.#count === 0 ? 0 : this.#min,
      max: this.#count === 0 ? 0 : this.#max
    }
  }
}
