import { assert, describe, it } from "@effect/vitest"
import { incidents, Readings, type Stats } from "../../src/admin/Readings.ts"

const START = Date.parse("2026-01-01T00:00:00Z")

const stats = (secs: number, values: Partial<Stats> = {}): Stats =>
  ({
    at: new Date(START + secs * 1000).toISOString(),
    started_at: new Date(START).toISOString(),
    incidents: {},
    lines_in: 0,
    latency_ms: { buckets: [], count: 0, sum: 0 },
    ...values
  }) as Stats

const of = (...all: ReadonlyArray<Stats>) => {
  const readings = new Readings()
  for (const each of all) readings.add(each)
  return readings
}

describe("the rates of the dashboard and top", () => {
  it("are those of the last two seconds, and unknown before the second reading", () => {
    const first = stats(0)
    assert.isUndefined(of(first).rate("lines_in"))
    assert.isUndefined(of(first, first).rate("lines_in"))
    const readings = of(first, stats(1, { lines_in: 10 }), stats(2, { lines_in: 30 }), stats(3, { lines_in: 110 }))
    assert.strictEqual(readings.rate("lines_in"), 50)
  })

  it("are those of the last two readings of a server's history, which are ten seconds apart, and of none after a pause", () => {
    const before = [stats(0), stats(10, { lines_in: 100 })]
    assert.strictEqual(of(...before, stats(20, { lines_in: 300 })).rate("lines_in"), 20)
    assert.isUndefined(of(...before, stats(30, { lines_in: 300 })).rate("lines_in"))
  })

  it("begin anew when the server was restarted, or its clock set back", () => {
    const restarted = stats(3, { started_at: new Date(START + 2000).toISOString() })
    assert.isUndefined(of(stats(1, { lines_in: 10 }), restarted).rate("lines_in"))
    assert.isUndefined(of(stats(5), stats(3)).rate("lines_in"))
  })

  it("count the incidents of the last minute, those that are new as well", () => {
    const incident = (secs: number, idle: number, slow?: number) =>
      stats(secs, { incidents: { idle, ...(slow !== undefined && { slow }) } })
    const readings = of(incident(0, 5), incident(2, 7), incident(62, 8, 3), incident(63, 10, 3))
    const counted = (isCounted: (name: string) => boolean) => readings.lastMinute(incidents(isCounted))
    assert.strictEqual(
      counted((name) => name === "idle"),
      3
    )
    assert.strictEqual(
      counted(() => true),
      6
    )
  })
})

describe("the latency of the dashboard and top", () => {
  const latency = (secs: number, counts: ReadonlyArray<number>, count: number) =>
    stats(secs, { latency_ms: { buckets: counts.map((atMost, i) => [[1, 10][i]!, atMost] as const), count, sum: 0 } })

  it("is a quantile of the last ten seconds, within its bucket", () => {
    const readings = of(latency(0, [100, 100], 100), latency(1, [150, 200], 200))
    assert.strictEqual(readings.latency(0.25, 10), 0.5)
    assert.strictEqual(readings.latency(0.75, 10), 5.5)
  })

  it("is unknown when nothing was relayed, and beyond the last bound when it is", () => {
    assert.isUndefined(of(latency(0, [1, 1], 1), latency(1, [1, 1], 1)).latency(0.5, 10))
    assert.strictEqual(of(latency(0, [0, 0], 0), latency(1, [0, 1], 10)).latency(0.99, 10), Infinity)
  })
})
