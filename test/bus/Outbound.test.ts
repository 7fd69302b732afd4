import { assert, describe, it } from "@effect/vitest"
import { afterEach, beforeEach, vi } from "vitest"
import * as Frame from "../../src/bus/Frame.ts"
import { Outbound, UNREAD_MESSAGES } from "../../src/bus/Outbound.ts"

const KIB = 1024
const LIMIT = 8 * KIB * KIB
/** What is under way at most without a confirmation, in bytes. */
const WINDOW = KIB * KIB

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }))
afterEach(() => void vi.useRealTimers())

/** A connection that records what is sent, and confirms when the test says so. */
class TestEngine {
  readonly maxMessageBytes = 2 * KIB * KIB
  readonly sent: Array<number> = []
  /** Of each message, in bytes. */
  readonly lengths: Array<number> = []
  asked = 0
  #resolve: Array<() => void> = []

  readonly sentAgain: Record<string, Array<number>> = {}

  readonly send = (message: Uint8Array, to?: string) => {
    const { isLast, sequence } = Frame.decode(message)!
    if (to === undefined) this.lengths.push(message.length)
    if (!isLast) return
    if (to === undefined) this.sent.push(sequence)
    else (this.sentAgain[to] ??= []).push(sequence)
  }

  readonly confirmed = () => {
    this.asked++
    return new Promise<void>((resolve) => this.#resolve.push(resolve))
  }

  async confirm() {
    this.#resolve.shift()?.()
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

/** As `Exchange` does it. */
const request = (outbound: Outbound, id: string, next: number) => {
  const position = outbound.requested(id, { token: 1, next })
  outbound.repair()
  return position
}

const upTo = (last: number) => Array.from({ length: last }, (_, i) => i + 1)

describe("Outbound", () => {
  it("sends at once while there is a connection, and asks for a confirmation after a while", async () => {
    const { outbound, publish } = make()
    const engine = new TestEngine()
    outbound.up(engine)
    publish(100)
    publish(100)
    assert.deepStrictEqual(engine.sent, [1, 2])
    assert.deepInclude(outbound, { batches: 2, bytes: 200 })
    assert.strictEqual(engine.asked, 0)
    vi.advanceTimersByTime(50)
    assert.strictEqual(engine.asked, 1)
    publish(100)
    vi.advanceTimersByTime(1000)
    assert.strictEqual(engine.asked, 1)
    await engine.confirm()
    // The third was sent after the question.
    assert.strictEqual(outbound.waitingBytes, 100)
    vi.advanceTimersByTime(50)
    await engine.confirm()
    assert.strictEqual(outbound.waiting, 0)
    vi.advanceTimersByTime(1000)
    assert.strictEqual(engine.asked, 2)
  })

  it("asks once for all that was sent meanwhile", () => {
    const { outbound, publish } = make()
    const engine = new TestEngine()
    outbound.up(engine)
    for (let i = 0; i < 5; i++) publish(100)
    vi.advanceTimersByTime(1000)
    assert.strictEqual(engine.asked, 1)
  })

  it("asks at once after 256 KiB, and has no more than the window under way", async () => {
    const { outbound, publish } = make()
    const engine = new TestEngine()
    outbound.up(engine)
    for (let i = 0; i < 6; i++) publish(256 * KIB)
    assert.deepStrictEqual(engine.sent, upTo(WINDOW / 256 / KIB))
    assert.strictEqual(engine.asked, 1)
    await engine.confirm()
    // Only the first was sent when it was asked.
    assert.strictEqual(engine.sent.length, 5)
    assert.strictEqual(engine.asked, 2)
    await engine.confirm()
    assert.strictEqual(engine.sent.length, 6)
  })

  it("sends again what was not confirmed when the connection was lost, then the rest, in order", async () => {
    const { outbound, publish } = make()
    const first = new TestEngine()
    outbound.up(first)
    publish(300 * KIB)
    publish(1)
    await first.confirm()
    publish(2)
    outbound.down()
    publish(3)
    assert.deepStrictEqual(first.sent, [1, 2, 3])
    const second = new TestEngine()
    outbound.up(second)
    publish(4)
    assert.deepStrictEqual(second.sent, [2, 3, 4, 5])
  })

  it("does not believe a confirmation of a connection that was lost", async () => {
    const { outbound, publish } = make()
    const first = new TestEngine()
    outbound.up(first)
    publish(300 * KIB)
    outbound.down()
    const second = new TestEngine()
    outbound.up(second)
    await first.confirm()
    assert.strictEqual(outbound.waiting, 1)
    assert.strictEqual(second.asked, 1)
    await second.confirm()
    assert.strictEqual(outbound.waiting, 0)
  })

  it("keeps the newest while there is no connection, and counts what it drops", () => {
    const { events, outbound, publish } = make()
    for (let i = 0; i < 20; i++) publish(KIB * KIB)
    // Each takes a bit more than its bytes.
    assert.strictEqual(outbound.dropped, 13)
    assert.strictEqual(outbound.waitingBytes, LIMIT - KIB * KIB)
    assert.deepStrictEqual(events, [])
    const engine = new TestEngine()
    outbound.up(engine)
    assert.deepStrictEqual(engine.sent, [14])
  })

  it("makes senders wait while more than half of the limit waits, and there is a connection", async () => {
    const { events, outbound, publish } = make()
    const engine = new TestEngine()
    outbound.up(engine)
    for (let i = 0; i < 4; i++) publish(KIB * KIB)
    assert.deepStrictEqual(events, [])
    publish(1)
    assert.deepStrictEqual(events, ["engine slow"])
    await engine.confirm()
    await engine.confirm()
    // Again with each confirmation.
    assert.deepStrictEqual(events.splice(0), ["engine slow", "engine slow", "engine slow"])
    await engine.confirm()
    assert.deepStrictEqual(events.splice(0), ["engine caught up"])
    for (let i = 0; i < 5; i++) publish(KIB * KIB)
    outbound.down()
    assert.deepStrictEqual(events, ["engine slow", "engine caught up"])
  })

  it("makes senders wait again for NATS whenever it has sent or confirmed 32 KiB, while more than half of the limit waits", async () => {
    const { events, outbound, publish } = make()
    const engine = new TestEngine()
    outbound.up(engine)
    outbound.received(10 * KIB * KIB)
    for (let i = 0; i < 7; i++) publish(KIB * KIB)
    assert.deepStrictEqual(events, ["engine slow"])
    outbound.received(31 * KIB)
    assert.strictEqual(events.length, 1)
    outbound.received(KIB)
    assert.deepStrictEqual(events, ["engine slow", "engine slow"])
    await engine.confirm()
    assert.deepStrictEqual(events, ["engine slow", "engine slow", "engine slow"])
    outbound.down()
    outbound.received(KIB * KIB)
    assert.deepStrictEqual(events.slice(3), ["engine caught up"])
  })

  it("sends batches again, confirmed or not, to a process that has missed them, as far as they are kept", async () => {
    const { outbound, publish } = make()
    const engine = new TestEngine()
    outbound.up(engine)
    for (let i = 0; i < 3; i++) publish(100)
    vi.advanceTimersByTime(50)
    await engine.confirm()
    publish(100)
    assert.strictEqual(request(outbound, "a", 2), 2)
    assert.deepStrictEqual(engine.sentAgain, { a: [2, 3, 4] })
    // Nothing is missing, and nobody is ahead of this process.
    assert.strictEqual(request(outbound, "a", 5), 5)
    assert.strictEqual(request(outbound, "a", 1000), 5)
    assert.deepStrictEqual(engine.sentAgain, { a: [2, 3, 4] })
    assert.deepStrictEqual(engine.sent, [1, 2, 3, 4])
  })

  it("names the oldest batch that it keeps to a process that has missed older ones", async () => {
    const { outbound, publish } = make(KIB * KIB)
    const engine = new TestEngine()
    outbound.up(engine)
    for (let i = 0; i < 20; i++) {
      publish(100 * KIB)
      vi.advanceTimersByTime(50)
      await engine.confirm()
    }
    const oldest = request(outbound, "a", 1)
    assert.isAtLeast(oldest, 10)
    assert.isAtMost(oldest, 16)
    assert.strictEqual(engine.sentAgain["a"]![0], oldest)
  })

  it("sends a process no more than a mebibyte of missed batches that it has not handled, and all together no more than 16 MiB a second", async () => {
    const { outbound, publish } = make(32 * KIB * KIB)
    const engine = new TestEngine()
    outbound.up(engine)
    for (let i = 0; i < 100; i++) {
      publish(256 * KIB)
      await engine.confirm()
    }
    request(outbound, "a", 1)
    assert.deepStrictEqual(engine.sentAgain["a"], [1, 2, 3, 4])
    await engine.confirm()
    assert.deepStrictEqual(engine.sentAgain["a"], [1, 2, 3, 4])
    outbound.acknowledged("a", 512 * KIB)
    assert.deepStrictEqual(engine.sentAgain["a"], [1, 2, 3, 4, 5, 6])
    // A stranger asks in many names.
    for (let i = 0; i < 200; i++) {
      request(outbound, `${i}`, 1)
      await engine.confirm()
    }
    const again = Object.values(engine.sentAgain).reduce((sum, { length }) => sum + length, 0)
    // What was allowed at first, and in the time that this took.
    assert.isAtMost(again, 64 + 64 * 5)
    assert.isAtLeast(again, 64)
    outbound.close()
  })

  it("sends a missed batch again that is larger than a mebibyte, and goes on once it is handled", async () => {
    const { outbound, publish } = make()
    const engine = new TestEngine()
    outbound.up(engine)
    publish(1.5 * KIB * KIB)
    publish(100)
    await engine.confirm()
    request(outbound, "a", 1)
    assert.deepStrictEqual(engine.sentAgain["a"], [1])
    await engine.confirm()
    outbound.acknowledged("a", 1.5 * KIB * KIB)
    assert.deepStrictEqual(engine.sentAgain["a"], [1, 2])
    outbound.close()
  })

  it("makes senders wait for a process that is more than a mebibyte behind, until it says that it is not", () => {
    const { events, outbound, publish } = make()
    publish(500)
    outbound.up(new TestEngine())
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

  it("makes senders wait again after each batch for a process that is behind, if it has handled something within a second", () => {
    const now = vi.spyOn(performance, "now").mockReturnValue(0)
    const { events, outbound, publish } = make()
    outbound.up(new TestEngine())
    outbound.heard("a")
    publish(2.5 * WINDOW)
    publish(1)
    assert.deepStrictEqual(events.splice(0), ["a slow"])
    outbound.acknowledged("a", WINDOW)
    assert.deepStrictEqual(events, [])
    publish(1)
    now.mockReturnValue(999)
    publish(1)
    assert.deepStrictEqual(events.splice(0), ["a slow", "a slow"])
    now.mockReturnValue(1000)
    outbound.acknowledged("a", WINDOW)
    publish(1)
    assert.deepStrictEqual(events, [])
    outbound.acknowledged("a", 2 * WINDOW)
    assert.deepStrictEqual(events.splice(0), ["a caught up"])
    now.mockRestore()
  })

  describe("sends messages so short that as many as NATS keeps for a process that hangs are no burden for NATS", () => {
    const BATCH = 100 * KIB

    /** Publishes a batch, and returns the length of its longest message. */
    const longest = async ({ engine, publish }: ReturnType<typeof makeConnected>) => {
      engine.lengths.length = 0
      publish(BATCH)
      vi.advanceTimersByTime(50)
      await engine.confirm()
      return Math.max(...engine.lengths)
    }
    const makeConnected = () => {
      const made = { ...make(), engine: new TestEngine() }
      made.outbound.up(made.engine)
      return made
    }
    const LONG = BATCH + Frame.HEADER_BYTES
    const SHORT = 1536

    /** Sends so many bytes that a subscription has ended which does not read. */
    const untilItHasEnded = async (made: ReturnType<typeof makeConnected>, lengthBytes = SHORT) => {
      for (let messages = 0; messages < UNREAD_MESSAGES; messages += made.engine.lengths.length) {
        assert.strictEqual(await longest(made), lengthBytes)
      }
    }

    it("at first, when one may hang that has not been heard", async () => {
      const made = makeConnected()
      await untilItHasEnded(made)
      assert.strictEqual(await longest(made), LONG)
      // The same on the next connection.
      made.outbound.up(made.engine)
      assert.strictEqual(await longest(made), SHORT)
    })

    it("while one is two mebibytes behind, until it has caught up or has no subscription any more", async () => {
      const made = makeConnected()
      await untilItHasEnded(made)
      const { outbound } = made
      outbound.heard("a")
      const start = outbound.bytes
      while (outbound.bytes - start <= 2 * WINDOW) assert.strictEqual(await longest(made), LONG)
      assert.strictEqual(await longest(made), SHORT)
      outbound.acknowledged("a", outbound.bytes)
      assert.strictEqual(await longest(made), LONG)
      while (outbound.bytes - start <= 5 * WINDOW) await longest(made)
      // It is there, only slow: it may have renewed its subscription.
      outbound.heard("a")
      await untilItHasEnded(made)
      assert.strictEqual(await longest(made), LONG)
    })

    it("once one has not been heard for so long that it counts as gone", async () => {
      const made = makeConnected()
      await untilItHasEnded(made)
      made.outbound.heard("a")
      assert.strictEqual(await longest(made), LONG)
      made.outbound.forget("a")
      await untilItHasEnded(made)
      assert.strictEqual(await longest(made), LONG)
    })
  })

  it("is drained once everything is confirmed, ", async () => {
    const { outbound, publish } = make()
    let drained = 0
    publish(1)
    const engine = new TestEngine()
    outbound.up(engine)
    outbound.drain(() => drained++)
    assert.deepStrictEqual(engine.sent, [1])
    assert.strictEqual(engine.asked, 1)
    publish(1)
    await engine.confirm()
    assert.strictEqual(drained, 0)
    await engine.confirm()
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
