import { assert, describe, it } from "@effect/vitest"
import { RelayServer } from "../../src/RelayServer.ts"
import { IncidentLog } from "../../src/session/IncidentLog.ts"
import * as Incidents from "../../src/session/Incidents.ts"

describe("Incidents", () => {
  it("has nothing to tell without incidents", () => {
    assert.deepStrictEqual(new IncidentLog().report(0), [])
    assert.deepStrictEqual(new IncidentLog().report(Infinity), [])
  })

  it("tells the first of a kind at once", () => {
    const incidents = new IncidentLog()
    incidents.count(Incidents.OVERSIZED)
    assert.deepStrictEqual(incidents.report(0), ["oversized"])
    incidents.count(Incidents.RATE_LIMITED, 3)
    assert.deepStrictEqual(incidents.report(0), ["rate limited 3 times"])
    assert.deepStrictEqual(incidents.report(0), [])
    incidents.count(Incidents.SLOW)
    incidents.count(Incidents.PAUSED)
    assert.deepStrictEqual(incidents.report(0), ["slow", "paused"])
  })

  it("sums up what follows, at most every ten seconds for each kind", () => {
    const incidents = new IncidentLog()
    incidents.count(Incidents.OVERSIZED)
    assert.deepStrictEqual(incidents.report(1000), ["oversized"])
    incidents.count(Incidents.OVERSIZED, 5)
    incidents.count(Incidents.OVERSIZED)
    incidents.count(Incidents.SLOW)
    assert.deepStrictEqual(incidents.report(10_999), ["slow"])
    assert.deepStrictEqual(incidents.report(11_000), ["oversized 6 times"])
    incidents.count(Incidents.OVERSIZED)
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
      incidents.count(millis % 2 === 0 ? Incidents.THROTTLED : Incidents.RATE_LIMITED, 2)
      lines += collect(incidents.report(millis))
    }
    assert.strictEqual(lines, 12)
    lines += collect(incidents.report(Infinity))
    assert.strictEqual(lines, 14)
    assert.strictEqual(told, 120_000)
    assert.deepStrictEqual(incidents.report(Infinity), [])
  })

  it("of a server have a code and a text of their own, and the names that metrics, log and statistics have them by", () => {
    assert.isDefined(RelayServer)
    const texts = (affected: Incidents.Affected) =>
      Incidents.all
        .filter(({ affects }) => affects === affected)
        .map(({ code, text }) => `${code}: ${text}`)
        .toSorted()
    assert.deepStrictEqual(texts("connection"), [
      "arrival_timeout: arrival timed out",
      "displaced: displaced while arriving",
      "draining: draining",
      "no_proxy_header: no PROXY header",
      "no_websocket_handshake: not a WebSocket handshake",
      "not_allowed: not allowed",
      "origin_not_allowed: origin not allowed",
      "plain_on_tls_port: plain text on the TLS port",
      "quarantined: quarantined",
      "server_full: server full",
      "tls_handshake: TLS handshake failed",
      "tls_on_plain_port: TLS on the plain-text port",
      "too_many_at_once: dropped, too many at once"
    ])
    assert.deepStrictEqual(texts("line"), ["not_utf8: not UTF-8", "oversized: oversized", "rate_limited: rate limited"])
    assert.deepStrictEqual(texts("sender"), ["paused: paused", "throttled: throttled"])
    assert.strictEqual(Incidents.all.length, 21)
    assert.strictEqual(Object.keys(Incidents.noTotals()).length, 21)
  })
})
