import { assert, describe, it } from "@effect/vitest"
import { MAX_PEERS, PeerTable, SILENCE_MILLIS } from "../../src/bus/PeerTable.ts"

describe("PeerTable", () => {
  it("knows of each process what was known when it was last heard", () => {
    const peers = new PeerTable<string>()
    peers.heard("a", "early", 0)
    peers.heard("b", "only", 1)
    peers.heard("a", "late", 2)
    assert.strictEqual(peers.size, 2)
    assert.strictEqual(peers.get("a"), "late")
    assert.deepStrictEqual(Array.from(peers.entries()), [
      ["b", "only"],
      ["a", "late"]
    ])
  })

  it("counts as gone who has been silent for too long, and nobody else", () => {
    const peers = new PeerTable<undefined>()
    peers.heard("a", undefined, 0)
    peers.heard("b", undefined, 1)
    peers.heard("c", undefined, 2)
    peers.heard("a", undefined, 3)
    for (let millis = 1001; millis < SILENCE_MILLIS; millis += 1000) assert.deepStrictEqual(peers.gone(millis), [])
    assert.deepStrictEqual(peers.gone(SILENCE_MILLIS + 1), [])
    assert.deepStrictEqual(peers.gone(SILENCE_MILLIS + 3), ["b", "c"])
    // They are there until somebody has done what there is to do about it.
    assert.strictEqual(peers.size, 3)
  })

  it("counts as gone, of too many, who was heard longest ago", () => {
    const peers = new PeerTable<number>()
    for (let i = 0; i < MAX_PEERS; i++) peers.heard(`${i}`, i, 0)
    assert.deepStrictEqual(peers.gone(0), [])
    peers.heard("0", 0, 0)
    peers.heard("one more", -1, 0)
    peers.heard("and another", -2, 0)
    assert.deepStrictEqual(peers.gone(0), ["1", "2"])
  })

  it("counts nobody as gone for a leap of the clock, but for a silence after it", () => {
    const peers = new PeerTable<undefined>()
    for (const id of ["a", "b"]) peers.heard(id, undefined, 0)
    assert.deepStrictEqual(peers.gone(60_000), [])
    peers.heard("b", undefined, 60_000)
    peers.gone(61_000)
    assert.deepStrictEqual(peers.gone(62_000), [])
    assert.deepStrictEqual(peers.gone(62_001), ["a"])
  })

  it("forgets who leaves", () => {
    const peers = new PeerTable<string>()
    peers.heard("a", "something", 0)
    assert.strictEqual(peers.leave("a"), "something")
    assert.strictEqual(peers.leave("a"), undefined)
    assert.strictEqual(peers.get("a"), undefined)
    assert.deepStrictEqual(peers.gone(Infinity), [])
  })
})
