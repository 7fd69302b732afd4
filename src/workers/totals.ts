/** What several workers have done, as one server. */
import type { BusStats } from "../relay/Bus.ts"
import type { Distribution } from "../relay/Histogram.ts"
import type { Stats } from "../relay/Roster.ts"

type Counts = { readonly [name: string]: number }

const sumOf = <C extends Counts>(all: ReadonlyArray<C>, first: C): C =>
  Object.fromEntries(
    Object.keys(first).map((name) => [name, all.reduce((sum, counts) => sum + (counts[name] ?? 0), 0)])
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
  const [first] = all
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
    incidents: sumOf(
      all.map(({ incidents }) => incidents),
      first.incidents
    ),
    departures: sumOf(
      all.map(({ departures }) => departures),
      first.departures
    ),
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

/** A room of several processes always has a bus; it is down as long as none of them has reported. */
export const busOf = (all: ReadonlyArray<BusStats>): BusStats => {
  const sum = (of: (stats: BusStats) => number) => all.reduce((total, stats) => total + of(stats), 0)
  return {
    state: all.length > 0 && all.every(({ state }) => state === "up") ? "up" : "down",
    batchesOut: sum(({ batchesOut }) => batchesOut),
    bytesOut: sum(({ bytesOut }) => bytesOut),
    batchesIn: sum(({ batchesIn }) => batchesIn),
    bytesIn: sum(({ bytesIn }) => bytesIn),
    bytesWaiting: sum(({ bytesWaiting }) => bytesWaiting),
    dropped: sum(({ dropped }) => dropped),
    lost: sum(({ lost }) => lost),
    duplicates: sum(({ duplicates }) => duplicates),
    malformed: sum(({ malformed }) => malformed),
    reconnects: sum(({ reconnects }) => reconnects)
  }
}
