import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as ApiViews from "../../src/admin/ApiViews.ts"
import type { ClientInfo } from "../../src/room/ClientInfo.ts"
import { array, int } from "../support/Arbitraries.ts"

/** Few different values, so that there are ties. */
const infos = Arbitrary.map(array(int(0, 9), { maxLength: 60 }), (values): ReadonlyArray<ClientInfo> =>
  values.map((value, i) => ({
    address: `10.0.${value}.${i}:1000`,
    ip: `10.0.${value}.${i}`,
    transport: "tcp",
    connectedSince: new Date(i),
    linesIn: value,
    linesOut: 0,
    bytesIn: 0,
    bytesOut: 0,
    bytesWaiting: 0,
    state: "active"
  }))
)

describe("the list of clients", () => {
  it.prop("is what sorting everybody would give", [infos, int(1, 70)], ([infos, limit]) => {
    for (const sign of [1, -1]) {
      const { clients } = ApiViews.clients(infos, { sort: "lines_in", order: sign === 1 ? "asc" : "desc", limit })
      const sorted = infos.toSorted((a, b) => sign * (a.linesIn - b.linesIn)).slice(0, limit)
      assert.deepStrictEqual(
        clients.map(({ address }) => address),
        sorted.map(({ address }) => address)
      )
    }
  })

  it.prop("has those that match, and says how many there are", [infos, int(0, 9)], ([infos, value]) => {
    const { clients, matching, total } = ApiViews.clients(infos, { search: `10.0.${value}.`, limit: 3 })
    assert.strictEqual(total, infos.length)
    assert.strictEqual(matching, infos.filter(({ linesIn }) => linesIn === value).length)
    assert.deepStrictEqual(
      clients.map(({ lines_in }) => lines_in),
      Array.from({ length: Math.min(3, matching) }, () => value)
    )
  })
})

describe("the list of who is in quarantine", () => {
  it("has the newest first, within its limit, and begun seconds count", () => {
    const entries = ["a", "b", "c"].map((key, i) => ({ key, remainingMillis: 1001 + i * 1000 }))
    assert.deepStrictEqual(ApiViews.quarantined(entries, { limit: 2 }), {
      total: 3,
      entries: [
        { key: "c", remaining_secs: 4 },
        { key: "b", remaining_secs: 3 }
      ]
    })
    assert.deepStrictEqual(ApiViews.quarantined([], {}), { total: 0, entries: [] })
  })
})
