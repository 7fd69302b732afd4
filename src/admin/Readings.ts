import type * as AdminApi from "./AdminApi.ts"

export type Stats = typeof AdminApi.Stats.Type

/** Statistics with their time, in milliseconds since the epoch. */
export interface Reading extends Stats {
  readonly time: number
}

type Counter = "lines_in" | "deliveries" | "bytes_in" | "bytes_out"

/** Lines that were not relayed or delivered, and clients that were held back. */
const DROPPED = new Set(["rate_limited", "oversized", "not_utf_8", "messages_dropped"])
const HELD_BACK = new Set(["throttled", "paused", "slow"])

/** The server keeps a reading every ten seconds, and sends one every second. Longer pauses are gaps. */
export const MAX_STEP_MILLIS = 15_000

/** The statistics of the last minute, and the rates that follow from them, for the dashboard and `top`. */
export class Readings {
  #readings: Array<Reading> = []

  get now(): Reading | undefined {
    return this.#readings.at(-1)
  }

  /** Adds the statistics, unless they are known already. */
  add(stats: Stats): boolean {
    const reading = { ...stats, time: Date.parse(stats.at) }
    const { now } = this
    if (now?.time === reading.time) return false
    // A server that was restarted counts from zero; times before the clock was set back cannot be compared.
    if (now !== undefined && (now.started_at !== reading.started_at || reading.time < now.time)) this.#readings = []
    this.#readings.push(reading)
    while (reading.time - this.#readings[0]!.time > 61_000) this.#readings.shift()
    return true
  }

  /** The growth of a counter per second, over the last two seconds; `undefined` while that is unknown. */
  rate(counter: Counter): number | undefined {
    const before = this.#since(2)
    if (before === undefined) return undefined
    return ((this.now![counter] - before[counter]) / (this.now!.time - before.time)) * 1000
  }

  /** The growth of a number within the last minute; 0 before the first reading. */
  lastMinute(of: (reading: Reading) => number): number {
    const [before] = this.#readings
    return before === undefined ? 0 : of(this.now!) - of(before)
  }

  /** Lines and deliveries dropped within the last minute. */
  get dropped(): number {
    return this.lastMinute(incidents((incident) => DROPPED.has(incident)))
  }

  /** How often clients were held back within the last minute. */
  get heldBack(): number {
    return this.lastMinute(incidents((incident) => HELD_BACK.has(incident)))
  }

  /** Connections refused within the last minute: all other incidents. */
  get refused(): number {
    return this.lastMinute(
      incidents((incident) => !DROPPED.has(incident) && !HELD_BACK.has(incident) && incident !== "notices_dropped")
    )
  }

  /**
   * A quantile of the latencies of the last seconds.
   *
   * @param quantile from 0 to 1
   * @returns in milliseconds; `Infinity` above the last bound; `undefined` when nothing was relayed
   */
  latency(quantile: number, seconds: number): number | undefined {
    const before = this.#since(seconds)?.latency_ms
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

  /** The oldest reading of the last seconds before the newest one, or the one before it where they are further apart. */
  #since(seconds: number): Reading | undefined {
    const before = this.#readings.slice(0, -1)
    const isRecent = (limit: number) => (reading: Reading | undefined) =>
      reading !== undefined && this.now!.time - reading.time <= limit
    return before.find(isRecent(seconds * 1000 + 300)) ?? before.slice(-1).find(isRecent(MAX_STEP_MILLIS))
  }
}

/** The number of incidents so far, of those that count. */
export const incidents =
  (isCounted: (incident: string) => boolean) =>
  (reading: Reading): number =>
    Object.entries(reading.incidents).reduce((sum, [name, count]) => sum + (isCounted(name) ? count : 0), 0)
