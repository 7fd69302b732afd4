import { assert, describe, it } from "@effect/vitest"
import { IncidentLog } from "../../src/session/Incidents.ts"

describe("Incidents", () => {
  it("has nothing to tell without incidents", () => {
    assert.deepStrictEqual(new IncidentLog().report(0), [])
    assert.deepStrictEqual(new IncidentLog().report(Infinity), [])
  })

  it("tells the first of a kind at once", () => {
    const incidents = new IncidentLog()
    incidents.count("oversized")
    assert.deepStrictEqual(incidents.report(0), ["oversized"])
    incidents.count("rate limited", 3)
    assert.deepStrictEqual(incidents.report(0), ["rate limited 3 times"])
    assert.deepStrictEqual(incidents.report(0), [])
    incidents.count("slow")
    incidents.count("paused")
    assert.deepStrictEqual(incidents.report(0), ["slow", "paused"])
  })

  it("sums up what follows, at most every ten seconds for each kind", () => {
    const incidents = new IncidentLog()
    incidents.count("oversized")
    assert.deepStrictEqual(incidents.report(1000), ["oversized"])
    incidents.count("oversized", 5)
    incidents.count("oversized")
    incidents.count("slow")
    assert.deepStrictEqual(incidents.report(10_999), ["slow"])
    assert.deepStrictEqual(incidents.report(11_000), ["oversized 6 times"])
    incidents.count("oversized")
    assert.deepStrictEqual(incidents.report(20_999), [])
    assert.deepStrictEqual(incidents.report(21_000), ["oversized"])
  })

  it("tells the rest when the client goes, and every incident exactly once", () => {
    const incidents = new IncidentLog()
    let told = 0
    const collect = (lines: ReadonlyArray<string>) => {
      for (const line of lines) told += Number(/ (\d+) times$/.exec(line)?.[1] ?? 1)
      return lines.length
    }
    let lines = 0
    for (let millis = 0; millis < 60_000; millis++) {
      incidents.count(millis % 2 === 0 ? "throttled" : "rate limited", 2)
      lines += collect(incidents.report(millis))
    }
    assert.strictEqual(lines, 12)
    lines += collect(incidents.report(Infinity))
    assert.strictEqual(lines, 14)
    assert.strictEqual(told, 120_000)
    assert.deepStrictEqual(incidents.report(Infinity), [])
  })
})
