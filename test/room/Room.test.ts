import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import { setImmediate as endOfTurn } from "node:timers/promises"
import { afterEach, vi } from "vitest"
import * as Envelope from "../../src/protocol/Envelope.ts"
import { Member, Room, Sender } from "../../src/room/Room.ts"
import * as arbitraries from "../support/Arbitraries.ts"
import { MemoryConnection, type Options } from "../../src/testing/MemoryConnection.ts"
import { runs } from "../support/runs.ts"

const MAX_LINE_BYTES = 65_536
/** What a turn may pile up before it is sent. */
const BATCH_BYTES = 512 * 1024

const unlimited = { soft_limit_bytes: Infinity, hard_limit_bytes: Infinity, policy: "disconnect" } as const
const ignored = { onSlow() {}, onCaughtUp() {}, onOverflow() {}, onDropped() {} }

const enter = (room: Room, n: number, options?: Options) => {
  const connection = new MemoryConnection(`10.0.0.1:${n}`, options)
  const member = new Member(connection, unlimited, ignored)
  room.join(member)
  return {
    connection,
    member,
    publish: (line: string) => {
      const bytes = Buffer.from(`<${line}>`)
      return room.publish(member, bytes, 1, bytes.length - 1)
    }
  }
}

/** A client of another process. */
const ELSEWHERE = 999

const envelope = (n: number, content: string) => JSON.stringify({ remote_addr: `10.0.0.1:${n}`, content })

describe("Room", () => {
  const step = Arbitrary.all({
    kind: arbitraries.int(0, 15),
    who: arbitraries.int(0, 5),
    count: arbitraries.int(1, 4),
    bytes: arbitraries.int(0, 60_000)
  })

  it.prop(
    "brings to everyone, from each other sender, what it said meanwhile: in order, once, and whole",
    {
      steps: arbitraries.array(step, { maxLength: 60 }),
      capacity: arbitraries.int(0, 3000),
      highWaterMark: arbitraries.int(0, 3000)
    },
    ({ steps, ...options }) => {
      const room = new Room(MAX_LINE_BYTES)
      const everyone = Array.from({ length: 3 }, (_, n) => ({
        ...enter(room, n, options),
        n,
        expected: [] as string[]
      }))
      const present = [...everyone]
      let said = 0
      for (const { bytes, count, kind, who } of steps) {
        const client = present[who % Math.max(1, present.length)]
        if (kind === 0 || client === undefined) {
          const n = everyone.length
          const newcomer = { ...enter(room, n, options), n, expected: [] }
          everyone.push(newcomer)
          present.push(newcomer)
        } else if (kind === 1) {
          room.flush()
          room.leave(client.member)
          present.splice(present.indexOf(client), 1)
        } else if (kind === 2) room.flush()
        else if (kind === 3) client.connection.stopReading()
        else if (kind === 4) client.connection.resumeReading()
        else if (kind === 5) client.connection.read(bytes)
        else if (kind === 14) {
          const line = envelope(ELSEWHERE, `${said++}${"y".repeat(bytes)}`)
          const batch = Buffer.from(`${line}\n`)
          room.receive({ bytes: batch, messages: 1 }, () => batch.fill("!"))
          for (const { expected } of present) expected.push(line)
        } else {
          for (let i = 0; i < count; i++) {
            const content = `${said++}${kind === 15 ? "é".repeat(bytes / 2) : ""}`
            assert.isTrue(client.publish(content))
            for (const other of present) if (other !== client) other.expected.push(envelope(client.n, content))
          }
        }
      }
      room.flush()
      for (const { connection, expected, n } of everyone) {
        connection.resumeReading()
        for (const sender of [...everyone, { n: ELSEWHERE }]) {
          const from = `{"remote_addr":"10.0.0.1:${sender.n}"`
          const mine = (lines: ReadonlyArray<string>) => lines.filter((line) => line.startsWith(from))
          assert.deepStrictEqual(mine(connection.lines), mine(expected), `from ${sender.n} to ${n}`)
        }
        assert.strictEqual(connection.lines.length, expected.length)
        assert.isTrue(connection.received === "" || connection.received.endsWith("\n"))
      }
    },
    runs(25)
  )

  it("writes once to each recipient in a turn, however many lines and senders there were", async () => {
    const room = new Room(MAX_LINE_BYTES)
    const [a, b, listener] = [enter(room, 0), enter(room, 1), enter(room, 2)]
    for (let i = 0; i < 50; i++) {
      a.publish(`a${i}`)
      b.publish(`b${i}`)
    }
    assert.strictEqual(listener.connection.received, "")
    await endOfTurn()
    for (const { connection } of [a, b, listener]) assert.strictEqual(connection.writes, 1)
    assert.strictEqual(listener.connection.lines.length, 100)
    a.publish("again")
    await endOfTurn()
    assert.deepStrictEqual(
      [a, b, listener].map(({ connection }) => connection.writes),
      [1, 2, 2]
    )
  })

  it("does nothing about a client that has said all there is", () => {
    const room = new Room(MAX_LINE_BYTES)
    const [sender, listener] = [enter(room, 0), enter(room, 1)]
    const corked = vi.spyOn(sender.connection, "corkUnsafe")
    sender.publish("x")
    room.flush()
    assert.strictEqual(listener.connection.lines.length, 1)
    assert.strictEqual(corked.mock.calls.length, 0)
  })

  it("hands everyone the same bytes", () => {
    const room = new Room(MAX_LINE_BYTES)
    const sender = enter(room, 0)
    const written: Array<Uint8Array> = []
    for (let n = 1; n <= 3; n++) {
      const { connection } = enter(room, n)
      connection.writeUnsafe = (bytes) => written.push(bytes) > 0
    }
    sender.publish("one for all")
    room.flush()
    assert.strictEqual(written.length, 3)
    assert.isTrue(written.every((bytes) => bytes === written[0]))
  })

  describe.each([
    ["a short line", "x"],
    ["a long one", "x".repeat(40_000)]
  ])("whose batches are %s", (_, line) => {
    const buffers: Array<ArrayBufferLike> = []
    /** Where in memory the batches were that a client got. */
    const places = (room: Room) => {
      const { connection } = enter(room, 1)
      const written: Array<string> = []
      const write = connection.writeUnsafe.bind(connection)
      connection.writeUnsafe = (bytes) => {
        if (!buffers.includes(bytes.buffer)) buffers.push(bytes.buffer)
        written.push(`${buffers.indexOf(bytes.buffer)}+${bytes.byteOffset}`)
        return write(bytes)
      }
      const sender = enter(room, 0)
      for (let n = 0; n < 5; n++) {
        sender.publish(line)
        room.flush()
      }
      assert.lengthOf(connection.lines, 5)
      return new Set(written)
    }

    it("uses the same memory again when everyone has taken everything", () => {
      assert.strictEqual(places(new Room(MAX_LINE_BYTES)).size, 1)
    })

    it("uses other memory while a client has not taken everything", () => {
      const room = new Room(MAX_LINE_BYTES)
      const slow = enter(room, 3)
      slow.connection.stopReading()
      assert.strictEqual(places(room).size, 5)
      slow.connection.resumeReading()
      assert.strictEqual(slow.connection.received, `${envelope(0, line)}\n`.repeat(5))
    })

    it("uses the memory of batches again once a slow client has taken them", () => {
      const room = new Room(MAX_LINE_BYTES)
      const slow = enter(room, 3)
      slow.connection.stopReading()
      const before = places(room)
      slow.connection.resumeReading()
      const after = places(room)
      assert.strictEqual(after.size, 1)
      assert.isTrue([...after].every((place) => before.has(place)))
    })

    it("uses the memory of later batches again once a slow client has left", () => {
      const room = new Room(MAX_LINE_BYTES)
      const slow = enter(room, 3)
      slow.connection.stopReading()
      places(room)
      room.leave(slow.member)
      assert.strictEqual(places(room).size, 1)
      slow.connection.resumeReading()
      assert.strictEqual(slow.connection.received, `${envelope(0, line)}\n`.repeat(5))
    })
  })

  it("keeps two MiB of batches for a slow client, and leaves the rest to the garbage collector", () => {
    const room = new Room(MAX_LINE_BYTES)
    const [sender, slow] = [enter(room, 0), enter(room, 1)]
    const written: Array<ArrayBufferLike> = []
    const write = slow.connection.writeUnsafe.bind(slow.connection)
    slow.connection.writeUnsafe = (bytes) => {
      written.push(bytes.buffer)
      return write(bytes)
    }
    const line = "x".repeat(60_000)
    const send = () => {
      slow.connection.stopReading()
      for (let i = 0; i < 100; i++) {
        sender.publish(line)
        room.flush()
      }
      slow.connection.resumeReading()
      return written.splice(0)
    }
    const first = send()
    const again = send().filter((memory) => first.includes(memory))
    assert.isAtLeast(again.length, 1)
    assert.isAtMost(again.length * line.length, 2 * 1024 * 1024)
  })

  it("sends a large turn in parts, none much larger than a batch", () => {
    const room = new Room(MAX_LINE_BYTES)
    const [sender, listener] = [enter(room, 0), enter(room, 1)]
    const line = "x".repeat(60_000)
    for (let i = 0; i < 20; i++) sender.publish(line)
    assert.isAtLeast(listener.connection.lines.length, 18)
    assert.isAtMost(listener.connection.writes, Math.ceil((20 * 60_100) / BATCH_BYTES))
    room.flush()
    assert.strictEqual(listener.connection.lines.length, 20)
  })

  describe("a batch is sent at once", () => {
    const MIB = 1024 * 1024
    /** Bytes of the first batch that is sent before the turn ends. */
    const firstBatch = (members: number, hardLimit: number, withOthers: boolean) => {
      const room = new Room(MAX_LINE_BYTES, undefined, { hard_limit_bytes: hardLimit })
      const [sender, listener] = Array.from({ length: members }, (_, n) => enter(room, n))
      if (withOthers) room.connect(() => {})
      // The number of members is that of the last flush.
      sender!.publish("first")
      room.flush()
      const { length } = listener!.connection.received
      while (listener!.connection.writes === 1) sender!.publish("x".repeat(900))
      return listener!.connection.received.length - length
    }

    it.each([
      ["512 KiB in a small room", 2, 32 * MIB, false, 512 * 1024],
      ["512 KiB for 16 members", 16, 32 * MIB, false, 512 * 1024],
      ["so much that all members together get 8 MiB", 32, 32 * MIB, false, 256 * 1024],
      ["128 KiB, however many members there are", 100, 32 * MIB, false, 128 * 1024],
      ["a sixteenth of what a client may have waiting", 2, 4 * MIB, false, 256 * 1024],
      ["128 KiB, however little a client may have waiting", 2, MIB, false, 128 * 1024],
      ["128 KiB with other processes", 2, 32 * MIB, true, 128 * 1024]
    ])("at %s", (_, members, hardLimit, withOthers, bytes) => {
      const sent = firstBatch(members, hardLimit, withOthers)
      assert.isTrue(sent >= bytes && sent < bytes + 1024, `${sent}`)
    })
  })

  it("does not let a client that does not read delay another", () => {
    const room = new Room(MAX_LINE_BYTES)
    const [sender, blocked, reader] = [enter(room, 0), enter(room, 1), enter(room, 2)]
    blocked.connection.stopReading()
    for (let i = 0; i < 100; i++) {
      sender.publish(`${i}`)
      room.flush()
      assert.strictEqual(reader.connection.lines.length, i + 1)
    }
    blocked.connection.resumeReading()
    assert.strictEqual(blocked.connection.received, reader.connection.received)
  })

  it("brings a newcomer nothing that was said before, even in the same turn", () => {
    const room = new Room(MAX_LINE_BYTES)
    const [sender, listener] = [enter(room, 0), enter(room, 1)]
    sender.publish("before")
    const newcomer = enter(room, 2)
    sender.publish("after")
    room.flush()
    assert.deepStrictEqual(newcomer.connection.lines, [envelope(0, "after")])
    assert.deepStrictEqual(listener.connection.lines, [envelope(0, "before"), envelope(0, "after")])
  })

  it("knows how many messages a client misses, whoever sent them", () => {
    const room = new Room(MAX_LINE_BYTES)
    const [a, b] = [enter(room, 0), enter(room, 1)]
    let dropped = 0
    const connection = new MemoryConnection("10.0.0.1:2")
    const limits = { soft_limit_bytes: 10, hard_limit_bytes: 10, policy: "drop_newest" } as const
    const member = new Member(connection, limits, { ...ignored, onDropped: (messages) => void (dropped += messages) })
    room.join(member)
    connection.stopReading()
    a.publish("blocks it")
    room.flush()
    const own = Buffer.from("its own")
    for (const sender of [a, b, a, undefined, undefined, b, b, undefined, a, b]) {
      if (sender === undefined) room.publish(member, own, 0, own.length)
      else sender.publish("missed")
    }
    room.flush()
    assert.strictEqual(dropped, 7)
    for (let i = 0; i < 5; i++) b.publish("missed")
    room.flush()
    assert.strictEqual(dropped, 12)
  })

  it("still relays what a client said before it left in the same turn", () => {
    const room = new Room(MAX_LINE_BYTES)
    const [leaver, other, listener] = [enter(room, 0), enter(room, 1), enter(room, 2)]
    leaver.publish("bye")
    other.publish("oh")
    room.leave(leaver.member)
    room.flush()
    assert.deepStrictEqual(listener.connection.lines, [envelope(0, "bye"), envelope(1, "oh")])
    assert.deepStrictEqual(other.connection.lines, [envelope(0, "bye")])
    assert.strictEqual(leaver.connection.received, "")
  })

  it("relays a line whose envelope has exactly the bytes allowed, and refuses one more, escapes counted", () => {
    const room = new Room(300)
    const [sender, listener] = [enter(room, 0), enter(room, 1)]
    const free = 300 - Envelope.prefix("10.0.0.1:0").length - Envelope.SUFFIX_BYTES
    for (const [character, cost] of [
      ["x", 1],
      ['"', 2],
      ["\u0001", 6]
    ] as const) {
      const longest = character.repeat(Math.floor(free / cost)) + "x".repeat(free % cost)
      assert.isTrue(sender.publish(longest))
      assert.isFalse(sender.publish(`${longest}x`))
      room.flush()
      assert.strictEqual(listener.connection.lines.at(-1)!.length + 1, 300)
    }
    assert.strictEqual(listener.connection.lines.length, 3)
  })

  it("asks for one turn of the event loop, however many lines come in this one", () => {
    const room = new Room(MAX_LINE_BYTES)
    const sender = enter(room, 0)
    const scheduled = vi.spyOn(globalThis, "setImmediate").mockImplementation(() => undefined as never)
    try {
      for (let i = 0; i < 3; i++) sender.publish("x")
      assert.strictEqual(scheduled.mock.calls.length, 1)
    } finally {
      scheduled.mockRestore()
    }
  })

  describe("counts how many each line was handed to", () => {
    const three = () => {
      const room = new Room(MAX_LINE_BYTES)
      const [a, b, c] = [enter(room, 0), enter(room, 1), enter(room, 2)]
      const line = Buffer.from("x")
      return { room, a, b, c, publishAs: (sender: Sender) => room.publish(sender, line, 0, 1), line }
    }
    const counted = ({ fanOut }: Room) => {
      const { count, max, min, sum } = fanOut.distribution
      return { count, max, min, sum }
    }

    it("of a member, all others", () => {
      const { a, b, room } = three()
      for (const sender of [a, b, a, a]) sender.publish("x")
      room.flush()
      assert.deepStrictEqual(counted(room), { count: 4, min: 2, max: 2, sum: 8 })
    })

    it("of the host program, which is no member, all", () => {
      const { publishAs, room } = three()
      publishAs(new Sender("Server"))
      room.flush()
      assert.deepStrictEqual(counted(room), { count: 1, min: 3, max: 3, sum: 3 })
    })

    it("of a member that has left since, all that are there", () => {
      const { a, room } = three()
      a.publish("bye")
      room.leave(a.member)
      room.flush()
      assert.deepStrictEqual(counted(room), { count: 1, min: 2, max: 2, sum: 2 })
    })

    it("of some only, those", () => {
      const { a, b, c, line, room } = three()
      assert.isTrue(room.publishTo([b.member, c.member], a.member, line, 0, 1))
      assert.deepStrictEqual(counted(room), { count: 1, min: 2, max: 2, sum: 2 })
    })

    it("of another process, none: they are counted there", () => {
      const { a, room } = three()
      a.publish("own")
      room.receive({ bytes: Buffer.from("theirs\ntheirs\n"), messages: 2 })
      room.flush()
      assert.deepStrictEqual(counted(room), { count: 1, min: 2, max: 2, sum: 2 })
      assert.strictEqual(room.latencyMicros.distribution.count, 1)
    })
  })

  it("counts how long the first line of a batch took, for each line", () => {
    vi.useFakeTimers({ toFake: ["performance"] })
    try {
      const room = new Room(MAX_LINE_BYTES)
      const [a, b] = [enter(room, 0), enter(room, 1)]
      vi.advanceTimersByTime(1000)
      a.publish("one")
      vi.advanceTimersByTime(3)
      a.publish("two")
      b.publish("three")
      vi.advanceTimersByTime(4)
      room.flush()
      const { count, max, min } = room.latencyMicros.distribution
      assert.deepStrictEqual({ count, max, min }, { count: 3, max: 7000, min: 7000 })
      // What comes from others only is no line of this process.
      room.receive({ bytes: Buffer.from("theirs\n"), messages: 1 })
      vi.advanceTimersByTime(10)
      room.flush()
      assert.deepInclude(room.latencyMicros.distribution, { count: 3, max: 7000 })
    } finally {
      vi.useRealTimers()
    }
  })

  it("takes what comes from other processes also when it does not fit into the batch at hand any more", () => {
    const room = new Room(300)
    const [sender, listener] = [enter(room, 0), enter(room, 1)]
    const own = envelope(0, "x".repeat(200)).length + 1
    const before = Math.floor((BATCH_BYTES - 1) / own)
    for (let i = 0; i < before; i++) sender.publish("x".repeat(200))
    room.receive({ bytes: Buffer.from(`${"y".repeat(20_000)}\n`), messages: 1 })
    room.flush()
    assert.strictEqual(listener.connection.lines.length, before + 1)
    assert.strictEqual(listener.connection.lines.at(-1), "y".repeat(20_000))
  })

  it.each([
    ["small", 100, 1],
    ["large", 50_000, 0]
  ])("releases a %s batch of another process once no client needs it", (_, bytes, atOnce) => {
    const room = new Room(MAX_LINE_BYTES)
    const { connection } = enter(room, 0)
    connection.stopReading()
    let released = 0
    const receive = (text: string) => {
      const batch = Buffer.from(`${text.repeat(bytes)}\n`)
      room.receive({ bytes: batch, messages: 1 }, () => {
        batch.fill("!")
        released++
      })
    }
    receive("a")
    assert.strictEqual(released, atOnce)
    room.flush()
    connection.resumeReading()
    receive("b")
    room.flush()
    assert.strictEqual(released, 2)
    assert.deepStrictEqual(connection.lines, ["a".repeat(bytes), "b".repeat(bytes)])
  })

  it("hands other processes what they have not said themselves, and nothing when there is nothing", () => {
    const room = new Room(MAX_LINE_BYTES)
    const sender = enter(room, 0)
    const handed: Array<ReadonlyArray<string>> = []
    room.connect((parts) => handed.push(parts.map(({ bytes }) => Buffer.from(bytes).toString())))
    const theirs = { bytes: Buffer.from("theirs\n"), messages: 1 }
    room.receive(theirs)
    room.flush()
    assert.deepStrictEqual(handed, [])
    room.receive(theirs)
    sender.publish("one")
    room.receive(theirs)
    sender.publish("two")
    room.receive(theirs)
    room.flush()
    assert.deepStrictEqual(handed, [[`${envelope(0, "one")}\n`, `${envelope(0, "two")}\n`]])
  })

  it("refuses a line for some only whose envelope would be too long", () => {
    const room = new Room(300)
    const [sender, listener] = [enter(room, 0), enter(room, 1)]
    const line = Buffer.from("x".repeat(300))
    assert.isFalse(room.publishTo([listener.member], sender.member, line, 0, line.length))
    assert.strictEqual(listener.connection.received, "")
    assert.strictEqual(room.fanOut.distribution.count, 0)
  })

  describe("after a flush to a large room", () => {
    /** A room in which a flush takes `flushMillis`, by a clock of its own. */
    const crowd = (members: number, flushMillis: number) => {
      vi.useFakeTimers({ toFake: ["setTimeout", "performance"] })
      // Not at the beginning of time, where a moment is as good as a duration.
      vi.advanceTimersByTime(1000)
      const room = new Room(MAX_LINE_BYTES)
      const [speaker, listener] = [enter(room, 0), enter(room, 1)]
      for (let n = 2; n < members; n++) enter(room, n)
      const write = listener.connection.writeUnsafe.bind(listener.connection)
      listener.connection.writeUnsafe = (bytes) => {
        vi.advanceTimersByTime(flushMillis)
        return write(bytes)
      }
      return { speaker, heard: () => listener.connection.lines.length }
    }
    afterEach(() => void vi.useRealTimers())

    it.each([
      [3, 3],
      [50, 5]
    ])("one of %i ms is followed by a pause of %i ms, in which lines gather", async (flushMillis, pauseMillis) => {
      const { heard, speaker } = crowd(256, flushMillis)
      speaker.publish("1")
      await endOfTurn()
      assert.strictEqual(heard(), 1)
      speaker.publish("2")
      speaker.publish("3")
      await endOfTurn()
      await endOfTurn()
      vi.advanceTimersByTime(pauseMillis - 1)
      assert.strictEqual(heard(), 1)
      vi.advanceTimersByTime(1)
      assert.strictEqual(heard(), 3)
    })

    it("a line that comes after the pause goes out at once", async () => {
      const { heard, speaker } = crowd(256, 3)
      speaker.publish("1")
      await endOfTurn()
      vi.advanceTimersByTime(3)
      speaker.publish("2")
      await endOfTurn()
      assert.strictEqual(heard(), 2)
    })

    it("smaller rooms have no pause", async () => {
      const { heard, speaker } = crowd(255, 3)
      for (let n = 1; n <= 3; n++) {
        speaker.publish("x")
        await endOfTurn()
        assert.strictEqual(heard(), n)
      }
    })
  })
})
