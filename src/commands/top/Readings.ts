import type * as AdminApi from "../../admin/AdminApi.ts"

/** The statistics of a server at a moment. */
export type Stats = typeof AdminApi.Stats.Type

/** Statistics with their time, in milliseconds since the epoch. */
export interface Reading extends Stats {
  readonly time: number
}

type Counter = "lines_in" | "deliveries" | "bytes_in" | "bytes_out"

/** The statistics of the last minute, and the rates that follow from them. */
export class Readings {
  #readings: Array<Reading> = []

  /** The newest. */
  get now(): Reading | undefined {
    return this.#readings.at(-1)
  }

  add(stats: Stats): void {
    const reading = { ...stats, time: Date.parse(stats.at) }
    const { now } = this
    if (now?.time === reading.time) return
    // A server that was restarted counts from zero; times before the clock was set back cannot be compared.
    if (now !== undefined && (now.started_at !== reading.started_at || reading.time < now.time)) this.#readings = []
    this.#readings.push(reading)
    while (reading.time - this.#readings[0]!.time > 61_000) this.#readings.shift()
  }

  /** The growth of a counter per second, over the last two seconds; `undefined` while that is unknown. */
  rate(counter: Counter): number | undefined {
    const before = this.#since(2)
    if (before === undefined) return undefined
    return ((this.now![counter] - before[counter]) / (this.now!.time - before.time)) * 1000
  }

  /** The growth of incidents within the last minute. */
  lastMinute(isCounted: (incident: string) => boolean): number {
    const [before] = this.#readings
    return Object.entries(this.now?.incidents ?? {})
      .filter(([incident]) => isCounted(incident))
      .reduce((sum, [incident, count]) => sum + count - (before!.incidents[incident] ?? 0), 0)
  }

  /**
   * A quantile of the latencies of the last ten seconds.
   *
   * @param quantile from 0 to 1
   * @returns in milliseconds; `Infinity` above the last bound; `undefined` when nothing was relayed
   */
  latency(quantile: number): number | undefined {
    const before = this.#since(10)?.latency_ms
    if (before === undefined) return undefined
    const { buckets, count } = this.now!.latency_ms
    if (count === before.count) return undefined
    const rank = quantile * (count - before.count)
    let [from, below] = [0, 0]
    for (const [i, [bound, counted]] of buckets.entries()) {
      const atMost = counted - before.buckets[i]![1]
      // Linear within the bucket.
      if (atMost >= rank) return from + ((bound - from) * (rank - below)) / (atMost - below)
      from = bound
      below = atMost
    }
    return Infinity
  }

  /** The oldest reading of the last seconds before the newest one. */
  #since(seconds: number): Reading | undefined {
    const { now } = this
    return this.#readings.find(({ time }) => now!.time - time <= seconds * 1000 + 300 && time < now!.time)
  }
}
