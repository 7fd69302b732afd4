/** What several workers have done, as one server. */
import * as Struct from "effect/Struct"
import type { Distribution } from "../internal/Histogram.ts"
import { type BusStats, NOTHING_EXCHANGED } from "../room/Bus.ts"
import { noDisconnects } from "../room/DisconnectReason.ts"
import type { Stats } from "../session/ClientRegistry.ts"
import { noTotals } from "../session/Incidents.ts"

type Counts = { readonly [name: string]: number }

/** Counts of the things that the first has, added up. */
export const sumOf = <C extends Counts>(first: C, ...others: ReadonlyArray<NoInfer<C>>): C =>
  Object.fromEntries(
    Object.entries(first).map(([name, count]) => [name, others.reduce((sum, counts) => sum + counts[name]!, count)])
  ) as unknown as C

const distributionOf = (all: ReadonlyArray<Distribution>): Distribution => {
  const some = all.filter(({ count }) => count > 0)
  const sum = (of: (distribution: Distribution) => number) => all.reduce((total, one) => total + of(one), 0)
  return {
    buckets: (all[0]?.buckets ?? []).map(([bound], i) => [bound, sum(({ buckets }) => buckets[i]![1])]),
    count: sum(({ count }) => count),
    sum: sum(({ sum }) => sum),
    min: some.length === 0 ? 0 : Math.min(...some.map(({ min }) => min)),
    max: some.length === 0 ? 0 : Math.max(...some.map(({ max }) => max))
  }
}

/** What workers count each for itself, before it has happened. */
const NO_COUNTS = {
  clients: 0,
  connections: 0,
  linesIn: 0,
  linesRelayed: 0,
  linesOut: 0,
  bytesIn: 0,
  bytesOut: 0,
  bytesWaiting: 0,
  missedByConsumers: 0
}

/** Counts are summed; what all workers know alike, the quarantine, is counted once. */
export const statsOf = (all: ReadonlyArray<Stats>, startedAt: Date): Stats => ({
  startedAt,
  ...sumOf(NO_COUNTS, ...all),
  bytesWaitingMax: Math.max(0, ...all.map(({ bytesWaitingMax }) => bytesWaitingMax)),
  incidents: sumOf(noTotals(), ...all.map(({ incidents }) => incidents)),
  departures: sumOf(noDisconnects(), ...all.map(({ departures }) => departures)),
  fanOut: distributionOf(all.map(({ fanOut }) => fanOut)),
  latencyMicros: distributionOf(all.map(({ latencyMicros }) => latencyMicros)),
  quarantined: Math.max(0, ...all.map(({ quarantined }) => quarantined))
})

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
