import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Notice from "../../src/protocol/Notice.ts"
import { Outbox, type OutboxLimits } from "../../src/room/Outbox.ts"
import * as arbitraries from "../support/Arbitraries.ts"
import { MemoryConnection, type Options } from "../../src/testing/MemoryConnection.ts"
import { runs } from "../support/runs.ts"

const UNLIMITED: OutboxLimits = { soft_limit_bytes: Infinity, hard_limit_bytes: Infinity, policy: "disconnect" }

const make = (limits: Partial<OutboxLimits> = {}, options?: Options) => {
  const events: Array<string> = []
  const client = new MemoryConnection("10.0.0.1:1", options)
  const outbox = new Outbox(
    client,
    { ...UNLIMITED, ...limits },
    {
      onSlow: () => events.push("slow"),
      onCaughtUp: () => events.push("caught up"),
      onOverflow: () => events.push("overflow"),
      onDropped: (messages) => events.push(`dropped ${messages}`)
    }
  )
  return { client, events, outbox }
}

/** Ten bytes. */
const message = (n: number) => `message ${n}\n`
const parcel = (...numbers: ReadonlyArray<number>) => ({
  bytes: Buffer.from(numbers.map(message).join("")),
  messages: numbers.length
})
const send = (outbox: Outbox, ...numbers: ReadonlyArray<number>) => outbox.send(parcel(...numbers))

const overflowing = (policy: OutboxLimits["policy"]) => {
  const made = make({ hard_limit_bytes: 45, policy }, { capacity: 10 })
  made.client.stopReading()
  // One message is with the kernel, one with the connection, three fit the outbox.
  for (let i = 1; i <= 7; i++) send(made.outbox, i)
  return made
}

describe("Outbox", () => {
  describe("what a backlog of small messages costs", () => {
    const limits = { hard_limit_bytes: 1_000_000, policy: "disconnect" } as const
    const blocked = () => {
      const made = make(limits, { capacity: 1 })
      made.client.stopReading()
      while (made.outbox.waitingBytes === 0) send(made.outbox, 0)
      return made
    }

    it("counts against the hard limit when each lies in memory of its own", () => {
      const { events, outbox } = blocked()
      for (let i = 0; i < 10_000; i++) outbox.send({ bytes: Buffer.alloc(10, "x"), messages: 1 })
      assert.include(events, "overflow")
    })

    it("is that of its content when neighbours in memory follow each other", () => {
      const { client, events, outbox } = blocked()
      const memory = Buffer.from("0123456\n".repeat(10_000))
      for (let i = 0; i < 10_000; i++) outbox.send({ bytes: memory.subarray(8 * i, 8 * i + 8), messages: 1 })
      assert.notInclude(events, "overflow")
      client.resumeReading()
      assert.isTrue(client.received.endsWith(memory.toString()))
    })
  })

  describe("while the client reads", () => {
    it("sends at once, in one write each", () => {
      const { client, outbox } = make()
      send(outbox, 1)
      send(outbox, 2, 3)
      assert.strictEqual(client.received, message(1) + message(2) + message(3))
      assert.strictEqual(client.writes, 2)
      assert.strictEqual(outbox.waitingBytes, 0)
    })

    it("sends several parcels in one write", () => {
      const { client, outbox } = make()
      outbox.sendAll([parcel(1), parcel(2), parcel(3)])
      assert.strictEqual(client.received, message(1) + message(2) + message(3))
      assert.strictEqual(client.writes, 1)
    })

    it("tells every one of many notices", () => {
      const { client, outbox } = make()
      assert.strictEqual(outbox.notify(Notice.NOT_UTF8, 900), 0)
      assert.strictEqual(client.received, Notice.NOT_UTF8.repeat(900))
    })
  })

  describe("while the client does not read", () => {
    it("keeps the order of what it holds back", () => {
      const { client, outbox } = make({}, { capacity: 15 })
      client.stopReading()
      send(outbox, 1)
      send(outbox, 2)
      outbox.sendAll([parcel(3), parcel(4)])
      outbox.notify("note\n")
      send(outbox, 5)
      assert.strictEqual(outbox.waitingBytes, 5 * 10 + 5 - 15)
      client.read(12)
      assert.strictEqual(client.received, message(1) + message(2).slice(0, 2))
      client.resumeReading()
      send(outbox, 6)
      assert.strictEqual(client.received, [1, 2, 3, 4].map(message).join("") + "note\n" + message(5) + message(6))
      assert.strictEqual(outbox.waitingBytes, 0)
    })

    it("writes at once what waits, as far as the connection takes it", () => {
      const { client, outbox } = make({}, { highWaterMark: 100 })
      client.stopReading()
      for (let i = 0; i < 15; i++) send(outbox, i % 10)
      assert.strictEqual(outbox.sentMessages, 11)
      assert.strictEqual(outbox.sentBytes, 110)
      const { writes } = client
      client.resumeReading()
      assert.strictEqual(client.lines.length, 15)
      assert.strictEqual(client.writes, writes + 1)
      assert.strictEqual(outbox.sentMessages, 15)
    })

    it("shares the bytes it holds", () => {
      const { client, outbox } = make()
      client.stopReading()
      const bytes = Buffer.from(message(1) + message(2))
      send(outbox, 0)
      outbox.send({ bytes, messages: 2 })
      bytes.write("MESSAGE")
      client.resumeReading()
      assert.include(client.received, "MESSAGE 1")
    })

    it("holds a bounded number of notices, and says how many it refused", () => {
      const { client, outbox } = make()
      client.stopReading()
      send(outbox, 1)
      let refused = 0
      for (let i = 0; i < 200; i++) refused += outbox.notify(Notice.RATE_LIMITED, 100)
      assert.isAtMost(outbox.waitingBytes, 10 + 65_536)
      client.resumeReading()
      const told = client.lines.length - 1
      assert.strictEqual(told, Math.floor(65_536 / Notice.RATE_LIMITED.length))
      assert.strictEqual(told + refused, 200 * 100)
      assert.strictEqual(outbox.notify(Notice.RATE_LIMITED), 0)
    })
  })

  describe("soft limit", () => {
    it("says once that the client is slow, and once that it has caught up", () => {
      const { client, events, outbox } = make({ soft_limit_bytes: 30 }, { capacity: 10 })
      client.stopReading()
      send(outbox, 1)
      for (let i = 2; i <= 4; i++) send(outbox, i)
      assert.deepStrictEqual(events, [])
      send(outbox, 5)
      send(outbox, 6)
      assert.deepStrictEqual(events, ["slow"])
      client.resumeReading()
      assert.deepStrictEqual(events, ["slow", "caught up"])
      client.stopReading()
      for (let i = 7; i <= 12; i++) send(outbox, i)
      assert.deepStrictEqual(events, ["slow", "caught up", "slow"])
    })

    it("counts what the connection holds beyond it", () => {
      const { client, events, outbox } = make({ soft_limit_bytes: 35 }, { highWaterMark: 20 })
      client.stopReading()
      outbox.sendAll([parcel(1), parcel(2)])
      outbox.sendAll([parcel(3), parcel(4)])
      assert.deepStrictEqual(events, ["slow"])
      client.read(10)
      assert.deepStrictEqual(events, ["slow"])
    })
  })

  describe("hard limit", () => {
    it("disconnect: gives up what waited, once, and takes nothing more but the farewell", () => {
      const { client, events, outbox } = overflowing("disconnect")
      assert.deepStrictEqual(events, ["overflow"])
      assert.isFalse(send(outbox, 8))
      assert.strictEqual(outbox.notify("note\n", 3), 3)
      outbox.end(Notice.TOO_SLOW, "shutdown")
      assert.strictEqual(client.ends, 0)
      client.resumeReading()
      assert.strictEqual(client.received, message(1) + message(2) + Notice.TOO_SLOW)
      assert.strictEqual(client.ends, 1)
    })

    it("drop_oldest: makes room for the newest, and tells how many are missing", () => {
      const { client, events } = overflowing("drop_oldest")
      client.resumeReading()
      const notice = "Warning: You are reading too slowly and 2 messages were dropped.\n"
      assert.strictEqual(client.received, [1, 2].map(message).join("") + notice + [5, 6, 7].map(message).join(""))
      assert.deepStrictEqual(events, ["dropped 1", "dropped 1"])
    })

    /** One message is with the kernel, one with the connection, three fit the outbox. */
    const full = (policy: OutboxLimits["policy"]) => {
      const made = make({ hard_limit_bytes: 40, policy }, { capacity: 10 })
      made.client.stopReading()
      for (let i = 1; i <= 5; i++) assert.isTrue(send(made.outbox, i))
      return made
    }

    it.each(["disconnect", "drop_oldest", "drop_newest"] as const)("%s: fills the limit to the last byte", (policy) => {
      const { events, outbox } = full(policy)
      assert.strictEqual(outbox.waitingBytes, 40)
      assert.deepStrictEqual(events, [])
    })

    it("drop_oldest: drops no more than it has to", () => {
      const { events, outbox } = full("drop_oldest")
      assert.isTrue(send(outbox, 6))
      assert.deepStrictEqual(events, ["dropped 1"])
      assert.isFalse(send(outbox, 7, 8, 9, 10))
      assert.deepStrictEqual(events, ["dropped 1", "dropped 7"])
    })

    it("drop_newest: keeps what waits, and tells how many are missing", () => {
      const { client, events, outbox } = overflowing("drop_newest")
      client.resumeReading()
      const notice = "Warning: You are reading too slowly and 2 messages were dropped.\n"
      assert.strictEqual(client.received, [1, 2].map(message).join("") + notice + [3, 4, 5].map(message).join(""))
      assert.deepStrictEqual(events, ["dropped 1", "dropped 1"])
      send(outbox, 8)
      assert.strictEqual(client.lines.at(-1), "message 8")
    })

    it("drop_oldest: does without a parcel that does not fit although everything else has gone", () => {
      const { client, outbox } = make({ hard_limit_bytes: 35, policy: "drop_oldest" })
      client.stopReading()
      send(outbox, 1)
      send(outbox, 2)
      send(outbox, 3, 4, 5)
      send(outbox, 6)
      client.resumeReading()
      assert.strictEqual(client.received, message(1) + Notice.messagesDropped(4) + message(6))
    })

    it("speaks of one message in the singular", () => {
      const { client, outbox } = make({ hard_limit_bytes: 10, policy: "drop_newest" })
      client.stopReading()
      send(outbox, 1)
      send(outbox, 2)
      client.resumeReading()
      assert.strictEqual(client.lines[1], "Warning: You are reading too slowly and 1 message was dropped.")
    })
  })

  const step = Arbitrary.all({
    kind: arbitraries.int(0, 9),
    count: arbitraries.int(1, 6),
    bytes: arbitraries.int(1, 120)
  })
  const steps = arbitraries.array(step, { maxLength: 60 })

  for (const policy of ["drop_oldest", "drop_newest"] as const) {
    it.prop(
      `${policy}: whatever the client does, it gets whole messages in order, and is told of every one missing`,
      { steps, capacity: arbitraries.int(0, 60) },
      ({ capacity, steps }) => {
        const limits = { soft_limit_bytes: 100, hard_limit_bytes: 200, policy }
        const { client, events, outbox } = make(limits, { capacity })
        let sent = 0
        const next = () => `${++sent}:${"x".repeat(sent % 23)}\n`
        for (const { bytes, count, kind } of steps) {
          if (kind < 5) {
            outbox.send({ bytes: Buffer.from(Array.from({ length: count }, next).join("")), messages: count })
          } else if (kind === 5) {
            outbox.sendAll(Array.from({ length: count }, () => ({ bytes: Buffer.from(next()), messages: 1 })))
          } else if (kind === 6) client.stopReading()
          else if (kind === 7) client.resumeReading()
          else client.read(bytes)
          // The notice of what is missing comes on top.
          assert.isAtMost(outbox.waitingBytes, 200 + Notice.messagesDropped(1000).length)
          const isSlow = events.findLast((event) => event === "slow" || event === "caught up") === "slow"
          // That it has caught up shows once the connection asks for more.
          if (isSlow !== outbox.waitingBytes > 100) assert.isTrue(isSlow && client.unsentBytes() > 0)
        }
        client.resumeReading()
        const crossings = events.filter((event) => !event.startsWith("dropped"))
        assert.isTrue(crossings.every((event, i) => event === (i % 2 === 0 ? "slow" : "caught up")))

        let missing = 0
        let last = 0
        for (const line of client.lines) {
          const dropped = /^Warning: You are reading too slowly and (\d+) messages? (was|were) dropped\.$/.exec(line)
          if (dropped) missing += Number(dropped[1])
          else {
            const number = Number.parseInt(line)
            assert.strictEqual(line, `${number}:${"x".repeat(number % 23)}`)
            assert.isAbove(number, last)
            last = number
          }
        }
        assert.strictEqual(client.lines.filter((line) => /^\d/.test(line)).length + missing, sent)
        const reported = events.map((event) => Number(/^dropped (\d+)/.exec(event)?.[1] ?? 0))
        assert.strictEqual(
          reported.reduce((sum, n) => sum + n, 0),
          missing
        )
      },
      runs(75)
    )
  }

  describe("end", () => {
    it("sends what waits, then the farewell, then ends, and takes nothing more", () => {
      const { client, outbox } = make({}, { capacity: 5 })
      client.stopReading()
      send(outbox, 1)
      send(outbox, 2)
      outbox.end("bye\n", "shutdown")
      send(outbox, 3)
      outbox.sendAll([parcel(4)])
      assert.strictEqual(outbox.notify("note\n"), 1)
      outbox.end("again\n", "shutdown")
      assert.strictEqual(client.ends, 0)
      client.resumeReading()
      assert.strictEqual(client.received, `${message(1)}${message(2)}bye\n`)
      assert.isTrue(client.isEnded)
      assert.strictEqual(client.ends, 1)
    })

    it("waits with the end until the slowest client has everything", () => {
      const { client, outbox } = make()
      client.stopReading()
      for (let i = 1; i <= 5; i++) send(outbox, i)
      outbox.end("bye\n", "shutdown")
      client.read(25)
      assert.strictEqual(client.ends, 0)
      for (let i = 0; i < 10; i++) client.read(7)
      assert.strictEqual(client.received, `${[1, 2, 3, 4, 5].map(message).join("")}bye\n`)
      assert.strictEqual(client.ends, 1)
    })

    it("ends at once when nothing waits, with a farewell or without", () => {
      for (const farewell of ["bye\n", undefined]) {
        const { client, outbox } = make()
        outbox.end(farewell, "shutdown")
        assert.strictEqual(client.received, farewell ?? "")
        assert.strictEqual(client.ends, 1)
      }
    })

    it("still tells what was dropped", () => {
      const { client, outbox } = make({ hard_limit_bytes: 10, policy: "drop_newest" })
      client.stopReading()
      send(outbox, 1)
      send(outbox, 2)
      outbox.end("bye\n", "shutdown")
      client.resumeReading()
      assert.strictEqual(client.received, `${message(1)}${Notice.messagesDropped(1)}bye\n`)
    })

    it("does not make a client slow that is leaving", () => {
      const { client, events, outbox } = make({ soft_limit_bytes: 10 })
      client.stopReading()
      outbox.end("a long farewell\n", "shutdown")
      assert.deepStrictEqual(events, [])
    })
  })

  describe("close", () => {
    it("drops everything, for good", () => {
      const { client, outbox } = make({ hard_limit_bytes: 20, policy: "drop_newest" })
      client.stopReading()
      for (let i = 1; i <= 4; i++) send(outbox, i)
      outbox.close()
      send(outbox, 5)
      outbox.end("bye\n", "shutdown")
      client.resumeReading()
      assert.strictEqual(client.received, message(1))
      assert.strictEqual(client.ends, 0)
    })
  })
})
