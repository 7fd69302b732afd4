import { assert, describe, it } from "@effect/vitest"
import { afterEach, beforeEach, vi } from "vitest"
import * as Frame from "../../src/bus/Frame.ts"
import { Outbound } from "../../src/bus/Outbound.ts"

const KIB = 1024
const LIMIT = 8 * KIB * KIB
/** What is under way at most without a confirmation, in bytes. */
const WINDOW = KIB * KIB

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }))
afterEach(() => void vi.useRealTimers())

/** A connection that records what is sent, and confirms when the test says so. */
class TestLink {
  readonly maxMessageBytes = 2 * KIB * KIB
  readonly sent: Array<number> = []
  asked = 0
  #resolve: Array<() => void> = []

  readonly send = (message: Uint8Array) => void this.sent.push(Frame.decode(message)!.sequence)

  readonly confirmed = () => {
    this.asked++
    return new Promise<void>((resolve) => this.#resolve.push(resolve))
  }

  async confirm() {
    this.#resolve.shift()!()
    await Promise.resolve()
  }
}

const make = (limit = LIMIT) => {
  const events: Array<string> = []
  const outbound = new Outbound(Buffer.alloc(Frame.ORIGIN_BYTES), limit, {
    onSlow: (what) => events.push(`${what} slow`),
    onCaughtUp: (what) => events.push(`${what} caught up`)
  })
  return {
    outbound,
    events,
    publish: (bytes: number) => outbound.publish([{ bytes: Buffer.alloc(bytes), messages: 1 }])
  }
}

const upTo = (last: number) => Array.from({ length: last }, (_, i) => i + 1)

describe("Outbound", () => {
  it("sends at once while there is a connection, and asks for a confirmation after a while", async () => {
    const { outbound, publish } = make()
    const link = new TestLink()
    outbound.up(link, [])
    publish(100)
    publish(100)
    assert.deepStrictEqual(link.sent, [1, 2])
    assert.deepInclude(outbound, { batches: 2, bytes: 200 })
    assert.strictEqual(link.asked, 0)
    vi.advanceTimersByTime(50)
    assert.strictEqual(link.asked, 1)
    publish(100)
    vi.advanceTimersByTime(1000)
    assert.strictEqual(link.asked, 1)
    await link.confirm()
    // The third was sent after the question.
    assert.strictEqual(outbound.waitingBytes, 100)
    vi.advanceTimersByTime(50)
    await link.confirm()
    assert.strictEqual(outbound.waiting, 0)
    vi.advanceTimersByTime(1000)
    assert.strictEqual(link.asked, 2)
  })

  it("asks once for all that was sent meanwhile", () => {
    const { outbound, publish } = make()
    const link = new TestLink()
    outbound.up(link, [])
    for (let i = 0; i < 5; i++) publish(100)
    vi.advanceTimersByTime(1000)
    assert.strictEqual(link.asked, 1)
  })

  it("asks at once after 256 KiB, and has no more than the window under way", async () => {
    const { outbound, publish } = make()
    const link = new TestLink()
    outbound.up(link, [])
    for (let i = 0; i < 6; i++) publish(256 * KIB)
    assert.deepStrictEqual(link.sent, upTo(WINDOW / 256 / KIB))
    assert.strictEqual(link.asked, 1)
    await link.confirm()
    // Only the first was sent when it was asked.
    assert.strictEqual(link.sent.length, 5)
    assert.strictEqual(link.asked, 2)
    await link.confirm()
    assert.strictEqual(link.sent.length, 6)
  })

  it("sends again what was not confirmed when the connection was lost, then the rest, in order", async () => {
    const { outbound, publish } = make()
    const first = new TestLink()
    outbound.up(first, [])
    publish(300 * KIB)
    publish(1)
    await first.confirm()
    publish(2)
    outbound.down()
    publish(3)
    assert.deepStrictEqual(first.sent, [1, 2, 3])
    const second = new TestLink()
    outbound.up(second, [])
    publish(4)
    assert.deepStrictEqual(second.sent, [2, 3, 4, 5])
  })

  it("does not believe a confirmation of a connection that was lost", async () => {
    const { outbound, publish } = make()
    const first = new TestLink()
    outbound.up(first, [])
    publish(300 * KIB)
    outbound.down()
    const second = new TestLink()
    outbound.up(second, [])
    await first.confirm()
    assert.strictEqual(outbound.waiting, 1)
    assert.strictEqual(second.asked, 1)
    await second.confirm()
    assert.strictEqual(outbound.waiting, 0)
  })

  it("keeps the newest while there is no connection, and counts what it drops", () => {
    const { events, outbound, publish } = make()
    for (let i = 0; i < 20; i++) publish(KIB * KIB)
    assert.strictEqual(outbound.dropped, 12)
    assert.strictEqual(outbound.waitingBytes, LIMIT)
    assert.deepStrictEqual(events, [])
    const link = new TestLink()
    outbound.up(link, [])
    assert.deepStrictEqual(link.sent, [13])
  })

  it("makes senders wait while more than half of the limit waits, and there is a connection", async () => {
    const { events, outbound, publish } = make()
    const link = new TestLink()
    outbound.up(link, [])
    for (let i = 0; i < 4; i++) publish(KIB * KIB)
    assert.deepStrictEqual(events, [])
    publish(1)
    assert.deepStrictEqual(events, ["engine slow"])
    await link.confirm()
    await link.confirm()
    assert.deepStrictEqual(events, ["engine slow"])
    await link.confirm()
    assert.deepStrictEqual(events, ["engine slow", "engine caught up"])
    for (let i = 0; i < 5; i++) publish(KIB * KIB)
    outbound.down()
    assert.deepStrictEqual(events, ["engine slow", "engine caught up", "engine slow", "engine caught up"])
  })

  it("waits after a reconnect for those who were there, but not for ever", () => {
    const { outbound, publish } = make()
    publish(1)
    const link = new TestLink()
    outbound.up(link, ["a", "b"])
    publish(1)
    outbound.heard("a")
    assert.deepStrictEqual(link.sent, [])
    outbound.heard("b")
    assert.deepStrictEqual(link.sent, [1, 2])

    outbound.down()
    const second = new TestLink()
    outbound.up(second, ["a"])
    vi.advanceTimersByTime(2999)
    assert.deepStrictEqual(second.sent, [])
    vi.advanceTimersByTime(1)
    assert.deepStrictEqual(second.sent, [1, 2])
  })

  it("makes senders wait for a process that is more than a mebibyte behind, until it says that it is not", () => {
    const { events, outbound, publish } = make()
    publish(500)
    outbound.up(new TestLink(), [])
    // What was published before it was there is none of its business.
    outbound.heard("a")
    outbound.heard("b")
    publish(WINDOW)
    assert.deepStrictEqual(events, [])
    publish(1)
    assert.deepStrictEqual(events, ["a slow", "b slow"])
    outbound.acknowledged("a", 501)
    outbound.acknowledged("a", 3)
    assert.deepStrictEqual(events.slice(2), ["a caught up"])
    outbound.forget("b")
    assert.deepStrictEqual(events.slice(3), ["b caught up"])
    publish(10)
    outbound.down()
    assert.deepStrictEqual(events.slice(4), ["a slow", "a caught up"])
    // Nobody is waited for while there is no connection.
    outbound.heard("a")
    publish(2 * WINDOW)
    assert.strictEqual(events.length, 6)
  })

  it("is drained once everything is confirmed, without waiting for anybody else", async () => {
    const { outbound, publish } = make()
    let drained = 0
    publish(1)
    const link = new TestLink()
    outbound.up(link, ["a"])
    outbound.drain(() => drained++)
    assert.deepStrictEqual(link.sent, [1])
    assert.strictEqual(link.asked, 1)
    publish(1)
    await link.confirm()
    assert.strictEqual(drained, 0)
    await link.confirm()
    assert.strictEqual(drained, 1)
  })

  it("has nothing to drain without a connection", () => {
    const { outbound, publish } = make()
    let drained = 0
    publish(1)
    outbound.drain(() => drained++)
    assert.strictEqual(drained, 1)
    assert.strictEqual(outbound.waiting, 1)
  })
})
