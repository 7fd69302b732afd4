/** A snapshot of a histogram. */
export interface Distribution {
  /** For each bound, the number of values at or below it. */
  readonly buckets: ReadonlyArray<readonly [bound: number, count: number]>
  readonly count: number
  readonly sum: number
  /** 0 without values, like `max`. */
  readonly min: number
  readonly max: number
}

/** A distribution in a larger unit. */
export const scaled = ({ buckets, count, max, min, sum }: Distribution, perUnit: number) => ({
  buckets: buckets.map(([bound, atMost]): [number, number] => [bound / perUnit, atMost]),
  count,
  sum: sum / perUnit,
  min: min / perUnit,
  max: max / perUnit
})

/** Counts values in buckets. Plain numbers, because it is updated for each line. */
export class Histogram {
  readonly #bounds: ReadonlyArray<number>
  /** Values per bucket, not cumulative; the last one is above all bounds. */
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
