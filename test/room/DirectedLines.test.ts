import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import { Member, Room, Sender } from "../../src/room/Room.ts"
import * as arbitraries from "../support/Arbitraries.ts"
import { MemoryConnection } from "../../src/testing/MemoryConnection.ts"
import { runs } from "../support/runs.ts"

const LIMITS = {
  soft_limit_bytes: 1 << 20,
  hard_limit_bytes: 1 << 24,
  stall_grace_ms: 0,
  eviction_grace_ms: 0,
  policy: "disconnect"
} as const

const enter = (room: Room, n: number) => {
  const connection = new MemoryConnection(`10.0.0.1:${n}`)
  const ignore = () => {}
  const events = { onSlow: ignore, onCaughtUp: ignore, onOverflow: ignore, onDropped: ignore }
  const member = new Member(connection, LIMITS, events)
  room.join(member)
  return { connection, member }
}

const contents = ({ lines }: MemoryConnection) => lines.map((line) => (JSON.parse(line) as { content: string }).content)

const publish = (room: Room, from: Sender, content: string, to?: ReadonlyArray<Member>) => {
  const bytes = Buffer.from(content)
  return to === undefined
    ? room.publish(from, bytes, 0, bytes.length)
    : room.publishTo(to, from, bytes, 0, bytes.length)
}

const MEMBERS = 5

/** `what`: 0 to 2 for all, 3 to 6 for one of two groups that overlap, 7 to 8 for some in a list of its own, 9 from elsewhere, 10 a flush. */
const step = Arbitrary.all({
  sender: arbitraries.int(0, MEMBERS),
  what: arbitraries.int(0, 10),
  some: arbitraries.int(0, 2 ** MEMBERS - 1)
})

describe("lines for some members of a room", () => {
  it.effect.prop(
    "reach each of them once, in order with all others, but not their sender, and no other process",
    { steps: Arbitrary.array(step, { minLength: 1, maxLength: 40 }) },
    ({ steps }) =>
      Effect.sync(() => {
        const room = new Room(1000)
        const clients = Array.from({ length: MEMBERS }, (_, n) => enter(room, n))
        const host = new Sender("host")
        const members = clients.map(({ member }) => member)
        const groups = [members.slice(0, 3), members.slice(1)]
        const elsewhere: Array<string> = []
        room.connect((parts) => {
          for (const { bytes } of parts) elsewhere.push(Buffer.from(bytes).toString())
        })
        const expected = clients.map(() => [] as Array<string>)
        const expectedElsewhere: Array<string> = []
        steps.forEach(({ some, what, sender: from }, n) => {
          if (what === 10) return room.flush()
          if (what === 9) {
            room.receive({ bytes: Buffer.from(`{"remote_addr":"far","content":"${n}"}\n`), messages: 1 })
            return expected.forEach((lines) => lines.push(`${n}`))
          }
          const listed = () => members.filter((_, i) => (some & (1 << i)) !== 0)
          const to = what <= 2 ? undefined : what <= 6 ? groups[what % 2]! : listed()
          const sender = members[from] ?? host
          assert.isTrue(publish(room, sender, `${n}`, to))
          if (to === undefined) expectedElsewhere.push(`${n}`)
          members.forEach((member, i) => {
            if (member !== sender && (to === undefined || to.includes(member))) expected[i]!.push(`${n}`)
          })
        })
        room.flush()
        assert.deepStrictEqual(
          clients.map(({ connection }) => contents(connection)),
          expected
        )
        assert.deepStrictEqual(
          elsewhere
            .join("")
            .split("\n")
            .slice(0, -1)
            .map((line) => (JSON.parse(line) as { content: string }).content),
          expectedElsewhere
        )
        for (const { member } of clients) {
          assert.strictEqual(member.outbox.sentMessages, expected[members.indexOf(member)]!.length)
        }
      }),
    runs(80)
  )

  it("cost each of them one write a turn, however many lines and groups there are", () => {
    const room = new Room(1000)
    const clients = Array.from({ length: 6 }, (_, n) => enter(room, n))
    const members = clients.map(({ member }) => member)
    const groups = [members.slice(0, 3), members.slice(3)]
    for (let n = 0; n < 100; n++) publish(room, members[0]!, `${n}`, groups[n % 2])
    publish(room, members[5]!, "for all")
    room.flush()
    assert.deepStrictEqual(
      clients.map(({ connection }) => connection.writes),
      [1, 1, 1, 1, 1, 1]
    )
    assert.deepStrictEqual(
      clients.map(({ connection }) => connection.lines.length),
      [1, 51, 51, 51, 51, 50]
    )
    const { sum, count } = room.fanOut.distribution
    assert.deepStrictEqual({ sum, count }, { sum: 50 * 2 + 50 * 3 + 5, count: 101 })
  })

  it("for many recipients are sent before the turn ends: their lists are not kept without bound", () => {
    const room = new Room(1000)
    const { connection, member } = enter(room, 1)
    // Others have left.
    const many = [member, ...Array.from({ length: 16_383 }, () => ({}) as Member)]
    for (let n = 0; n < 3; n++) publish(room, new Sender("host"), `${n}`, [...many])
    assert.strictEqual(connection.received, "")
    publish(room, new Sender("host"), "3", [...many])
    assert.deepStrictEqual(contents(connection), ["0", "1", "2", "3"])
  })
})
