import { assert, describe, it } from "@effect/vitest"
import { noDisconnects } from "../../src/room/DisconnectReason.ts"
import { Histogram } from "../../src/internal/Histogram.ts"
import { noTotals } from "../../src/session/Incidents.ts"
import { type BusStats, NOTHING_EXCHANGED } from "../../src/room/Bus.ts"
import type { Stats } from "../../src/session/ClientRegistry.ts"
import { busOf, pastOf, statsOf } from "../../src/threads/aggregateStats.ts"

const histogram = (...values: ReadonlyArray<number>) => {
  const histogram = new Histogram([1, 10, 100])
  for (const value of values) histogram.observe(value, 1)
  return histogram.distribution
}

const worker = (clients: number, values: ReadonlyArray<number>): Stats => ({
  startedAt: new Date(clients),
  clients,
  connections: clients + 1,
  linesIn: 10 * clients,
  linesRelayed: 9 * clients,
  linesOut: 100 * clients,
  bytesIn: 1000 * clients,
  bytesOut: 2000 * clients,
  bytesWaiting: 5 * clients,
  bytesWaitingMax: clients,
  incidents: { ...noTotals(), oversized: clients },
  departures: { ...noDisconnects(), left: 1 },
  fanOut: histogram(...values),
  latencyMicros: histogram(),
  quarantined: 7,
  missedByConsumers: 1
})

const startedAt = new Date(0)

describe("statsOf", () => {
  it("sums what each worker has done, and counts once what all of them know", () => {
    const stats = statsOf([worker(2, [1, 50]), worker(3, [7, 1000])], startedAt)
    assert.deepStrictEqual(stats, {
      startedAt,
      clients: 5,
      connections: 7,
      linesIn: 50,
      linesRelayed: 45,
      linesOut: 500,
      bytesIn: 5000,
      bytesOut: 10_000,
      bytesWaiting: 25,
      bytesWaitingMax: 3,
      incidents: { ...noTotals(), oversized: 5 },
      departures: { ...noDisconnects(), left: 2 },
      fanOut: histogram(1, 50, 7, 1000),
      latencyMicros: histogram(),
      quarantined: 7,
      missedByConsumers: 2
    })
  })

  it("keeps what a worker had done that has crashed, and counts its clients as gone", () => {
    const stats = statsOf([worker(2, [1]), pastOf(worker(3, [50]))], startedAt)
    assert.strictEqual(stats.clients, 2)
    assert.strictEqual(stats.linesRelayed, 45)
    assert.strictEqual(stats.bytesWaiting, 10)
    assert.deepStrictEqual(stats.departures, { ...noDisconnects(), left: 2, failed: 3 })
    const gone = Object.values(stats.departures).reduce((sum, count) => sum + count, 0)
    assert.strictEqual(stats.connections, stats.clients + gone)
    assert.deepStrictEqual(stats.fanOut, histogram(1, 50))
  })
})

describe("the bus of all workers", () => {
  const up: BusStats = { ...NOTHING_EXCHANGED, state: "up", batchesOut: 2, lost: 1 }

  it("is up when that of each is, and down before any has reported", () => {
    assert.strictEqual(busOf([]).state, "down")
    assert.deepStrictEqual(busOf([up, up]), { ...up, batchesOut: 4, lost: 2 })
    assert.strictEqual(busOf([up, { ...up, state: "down" }]).state, "down")
  })
})
