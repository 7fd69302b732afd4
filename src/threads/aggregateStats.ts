/** What several workers have done, as one server. */
import * as Struct from "effect/Struct"
import type { Distribution } from "../internal/Histogram.ts"
import { type BusStats, NOTHING_EXCHANGED } from "../room/Bus.ts"
import type { Stats } from "../session/ClientRegistry.ts"

type Counts = { readonly [name: string]: number }

/** Counts of the same things, added up. */
export const sumOf = <C extends Counts>(first: C, ...others: ReadonlyArray<C>): C =>
  Object.fromEntries(
    Object.entries(first).map(([name, count]) => [name, others.reduce((sum, counts) => sum + counts[name]!, count)])
  ) as unknown as C

const distributionOf = (all: ReadonlyArray<Distribution>, first: Distribution): Distribution => {
  const some = all.filter(({ count }) => count > 0)
  return {
    buckets: first.buckets.map(([bound], i) => [bound, all.reduce((sum, { buckets }) => sum + buckets[i]![1], 0)]),
    count: all.reduce((sum, { count }) => sum + count, 0),
    sum: all.reduce((total, { sum }) => total + sum, 0),
    min: some.length === 0 ? 0 : Math.min(...some.map(({ min }) => min)),
    max: some.length === 0 ? 0 : Math.max(...some.map(({ max }) => max))
  }
}

/**
 * Counts are summed; what all workers know alike, the quarantine, is counted once.
 *
 * @param all one, at least
 */
export const statsOf = (all: readonly [Stats, ...Array<Stats>], startedAt: Date): Stats => {
  const [first, ...others] = all
  const sum = (of: (stats: Stats) => number) => all.reduce((total, stats) => total + of(stats), 0)
  const most = (of: (stats: Stats) => number) => all.reduce((most, stats) => Math.max(most, of(stats)), 0)
  return {
    startedAt,
    clients: sum(({ clients }) => clients),
    connections: sum(({ connections }) => connections),
    linesIn: sum(({ linesIn }) => linesIn),
    linesRelayed: sum(({ linesRelayed }) => linesRelayed),
    linesOut: sum(({ linesOut }) => linesOut),
    bytesIn: sum(({ bytesIn }) => bytesIn),
    bytesOut: sum(({ bytesOut }) => bytesOut),
    bytesWaiting: sum(({ bytesWaiting }) => bytesWaiting),
    bytesWaitingMax: most(({ bytesWaitingMax }) => bytesWaitingMax),
    incidents: sumOf(first.incidents, ...others.map(({ incidents }) => incidents)),
    departures: sumOf(first.departures, ...others.map(({ departures }) => departures)),
    fanOut: distributionOf(
      all.map(({ fanOut }) => fanOut),
      first.fanOut
    ),
    latencyMicros: distributionOf(
      all.map(({ latencyMicros }) => latencyMicros),
      first.latencyMicros
    ),
    quarantined: most(({ quarantined }) => quarantined),
    missedByConsumers: sum(({ missedByConsumers }) => missedByConsumers)
  }
}

/** What remains of a worker that has ended: its clients are gone, what it has done counts. */
export const pastOf = (stats: Stats): Stats => ({
  ...stats,
  clients: 0,
  bytesWaiting: 0,
  bytesWaitingMax: 0,
  quarantined: 0,
  departures: { ...stats.departures, failed: stats.departures.failed + stats.clients }
})

/** What remains of the bus of a worker that has ended. */
export const pastBusOf = (stats: BusStats): BusStats => ({ ...stats, bytesWaiting: 0 })

/**
 * A room of several processes always has a bus; it is down as long as none of them has reported.
 *
 * @param live of those that are there
 * @param past of those that have ended
 */
export const busOf = (live: ReadonlyArray<BusStats>, past: BusStats = NOTHING_EXCHANGED): BusStats => ({
  ...sumOf(countsOf(past), ...live.map(countsOf)),
  state: live.length > 0 && live.every(({ state }) => state === "up") ? "up" : "down"
})

const countsOf = (stats: BusStats) => Struct.omit(stats, ["state"])
