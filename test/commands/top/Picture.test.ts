import { assert, describe, it } from "@effect/vitest"
import { type Change, type Client, picture } from "../../../src/commands/top/picture.ts"
import { Readings, type Stats } from "../../../src/admin/Readings.ts"

describe("the picture of top", () => {
  it("has no character that controls the terminal, whatever a server says", () => {
    const evil = "\u001b]0;owned\u0007\u009b2J\r\n"
    const client = { address: evil, state: evil, connected_at: evil } as unknown as Client
    const readings = new Readings()
    readings.add({
      at: "2026-01-01T00:00:00Z",
      started_at: evil,
      version: evil,
      state: evil,
      incidents: {},
      event_loop_lag_ms: { p99: 0 },
      cluster: { state: evil, peers: [{ name: evil, clients: 1 }] }
    } as unknown as Stats)
    const changes = ["state", "disconnected", evil].map(
      (type) => ({ at: evil, client, reason: evil, type }) as unknown as Change
    )
    const lines = picture(
      { url: "http://127.0.0.1:9090", readings, clients: [client], changes, problem: evil },
      { columns: 1000, rows: 100 }
    )
    assert.isAbove(lines.filter((line) => line.includes("\\x1b]0;owned")).length, 6)
    // oxlint-disable-next-line no-control-regex
    assert.notMatch(lines.join(""), /\p{Cc}/u)
  })
})
