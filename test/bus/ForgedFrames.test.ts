import { assert, describe, it } from "@effect/vitest"
import * as Frame from "../../src/bus/Frame.ts"
import { Inbound, MAX_UNFINISHED_BYTES, UNFINISHED_MILLIS } from "../../src/bus/Inbound.ts"
import { Outbound } from "../../src/bus/Outbound.ts"

const MAX_LINE_BYTES = 65_536
const MEBIBYTE = 1024 * 1024

/** A frame by the name of a relay, in one piece unless it says otherwise. */
const forged = (text: string | Uint8Array, changes: Partial<Frame.Frame> = {}): Frame.Frame => {
  const content = Buffer.from(text as string)
  return {
    origin: "relay",
    sequence: 1,
    piece: 0,
    isLast: true,
    lines: 1,
    end: content.length,
    dropped: 0,
    content,
    ...changes
  }
}

const textOf = (inbound: Inbound, frame: Frame.Frame): string | undefined => {
  const { batch } = inbound.take(frame, 0)
  return batch && Buffer.from(batch.bytes).toString()
}

describe("a frame of another relay", () => {
  const line = (bytes: number) => "x".repeat(bytes - 1) + "\n"
  it.each([
    ["its bytes do not end with a line", forged("line\nrest", { lines: 2 })],
    ["it has fewer lines than it says", forged("line\n", { lines: 2 })],
    ["it has more lines than it says", forged("line\nline\n")],
    ["it has 32 KiB and says that these are no line", forged("x".repeat(32_768), { lines: 0 })],
    ["it has nothing", forged("")],
    ["a line of it is too long", forged(line(MAX_LINE_BYTES) + line(MAX_LINE_BYTES + 1), { lines: 2 })]
  ])("is dropped and counted if %s, and takes no number away", (_what, frame) => {
    const inbound = new Inbound(MAX_LINE_BYTES)
    assert.deepStrictEqual(inbound.take(frame, 0), { lost: 0, isMalformed: true })
    assert.strictEqual(textOf(inbound, forged("true\n")), "true\n")
  })

  it("is taken if its lines are as long as they may be", () => {
    assert.isDefined(new Inbound(MAX_LINE_BYTES).take(forged(line(MAX_LINE_BYTES).repeat(2), { lines: 2 }), 0).batch)
  })

  it("is dropped if its pieces together are not the lines that it says", () => {
    const inbound = new Inbound(MAX_LINE_BYTES)
    inbound.take(forged("li", { isLast: false }), 0)
    assert.isTrue(inbound.take(forged("ne", { piece: 1 }), 0).isMalformed)
    inbound.take(forged("li", { isLast: false }), 0)
    assert.strictEqual(textOf(inbound, forged("ne\n", { piece: 1 })), "line\n")
  })

  it.each([
    ["another kind of piece", { 1: 2 }],
    ["no number", { 12: 0, 13: 0, 14: 0, 15: 0, 16: 0, 17: 0 }],
    ["no line", { 18: 0, 19: 0, 20: 0, 21: 0 }],
    ["fewer bytes in all than in itself", { 22: 0, 23: 0, 24: 0, 25: 0, 26: 0, 27: 4 }]
  ])("is not understood if it has %s", (_what, changes) => {
    const parts = [{ bytes: Buffer.from("line\n"), messages: 1 }]
    const [frame] = Frame.encode(Buffer.alloc(8), { sequence: 1, parts, bytes: 5, lines: 1, end: 5, dropped: 0 }, 1000)
    assert.isDefined(Frame.decode(frame!))
    assert.isUndefined(Frame.decode(Object.assign(Buffer.from(frame!), changes)))
  })

  it("does not mute its relay with a number that is not the next", () => {
    const inbound = new Inbound(MAX_LINE_BYTES)
    for (const sequence of [1, 2, 3]) inbound.take(forged("line\n", { sequence }), 0)
    let sequence = 3
    for (const lie of [2 ** 48 - 1, 2 ** 40, 100_000, 700, 6]) {
      // As often as it likes, and later than any request may be unanswered.
      for (const millis of [0, 10_000]) {
        const { batch, request } = inbound.take(forged("lie\n", { sequence: sequence + lie }), millis)
        assert.isUndefined(batch)
        // Which the relay answers.
        if (request !== undefined) inbound.answered("relay", request)
      }
      for (const _ of [1, 2, 3]) {
        assert.strictEqual(textOf(inbound, forged("line\n", { sequence: ++sequence })), "line\n")
        assert.isTrue(inbound.take(forged("line\n", { sequence }), 0).isDuplicate)
      }
    }
  })

  it.each([
    [
      "claims that very many were dropped",
      (inbound: Inbound) => inbound.take(forged("lie\n", { sequence: 2 ** 32, dropped: 2 ** 32 - 2 }), 0)
    ],
    [
      "is the first in the name of a relay",
      (inbound: Inbound) => inbound.take(forged("lie\n", { origin: "other", sequence: 2 ** 40 }), 0)
    ]
  ])("that %s mutes its relay until its next sign of life, and counts no loss", (_what, lie) => {
    const inbound = new Inbound(MAX_LINE_BYTES)
    inbound.take(forged("line\n"), 0)
    const { lost } = lie(inbound)
    assert.strictEqual(lost, 0)
    const id = lie.toString().includes("other") ? "other" : "relay"
    const request = inbound.sent(id, 5, 0)!
    assert.deepStrictEqual(inbound.answered(id, { ...request, next: 6 }), { lost: 0, isBehind: true })
    assert.strictEqual(textOf(inbound, forged("line\n", { origin: id, sequence: 6 })), "line\n")
  })

  it("cannot answer a request of this process without having seen it", () => {
    const inbound = new Inbound(MAX_LINE_BYTES)
    inbound.take(forged("line\n"), 0)
    const { token } = inbound.take(forged("line\n", { sequence: 9 }), 0).request!
    assert.deepStrictEqual(inbound.answered("relay", { token: token ^ 1, next: 2 ** 40 }), { lost: 0, isBehind: false })
    assert.strictEqual(textOf(inbound, forged("line\n", { sequence: 2 })), "line\n")
  })

  it("is kept unfinished within bounds, whatever the number of relays", () => {
    const inbound = new Inbound(MAX_LINE_BYTES)
    const content = Buffer.alloc(MEBIBYTE)
    let lost = 0
    for (let i = 0; i < 12; i++) {
      for (let piece = 0; piece < 16; piece++) {
        lost += inbound.take(forged("", { origin: `${i}`, piece, isLast: false, content }), 0).lost
        assert.isAtMost(inbound.unfinishedBytes, MAX_UNFINISHED_BYTES)
      }
    }
    assert.isAtLeast(lost, 9)
    inbound.expire(UNFINISHED_MILLIS - 1)
    assert.isAbove(inbound.unfinishedBytes, 0)
    inbound.expire(UNFINISHED_MILLIS)
    assert.strictEqual(inbound.unfinishedBytes, 0)
    // The rest of what was given up is not news.
    assert.isUndefined(inbound.take(forged("line\n", { origin: "0", piece: 16 }), 0).batch)
    assert.strictEqual(textOf(inbound, forged("line\n", { origin: "0", sequence: 2 })), "line\n")
  })

  it("does not keep more alive than its own bytes while it is unfinished", () => {
    const inbound = new Inbound(MAX_LINE_BYTES)
    const arrived = Buffer.from(`l${"x".repeat(MEBIBYTE)}`)
    inbound.take(forged("", { isLast: false, content: arrived.subarray(0, 1) }), 0)
    arrived.fill("?")
    assert.strictEqual(textOf(inbound, forged("ine\n", { piece: 1 })), "line\n")
  })

  it("cannot claim to have handled more than was published", () => {
    const slow: Array<string> = []
    const outbound = new Outbound(Buffer.alloc(8), 64 * MEBIBYTE, {
      onSlow: (what) => slow.push(what),
      onCaughtUp: () => {}
    })
    outbound.up({ maxMessageBytes: MEBIBYTE, send: () => {}, confirmed: async () => {} })
    outbound.heard("peer")
    outbound.acknowledged("peer", 2 ** 48 - 1)
    const bytes = Buffer.alloc(2 * MEBIBYTE, "\n")
    outbound.publish([{ bytes, messages: bytes.length }])
    assert.deepStrictEqual(slow, ["peer"])
    outbound.close()
  })
})
