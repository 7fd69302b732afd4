import { assert, describe, it } from "@effect/vitest"
import { vi } from "vitest"
import { History } from "../../src/room/History.ts"
import { Member, Room, Sender } from "../../src/room/Room.ts"
import { MemoryConnection } from "../../src/testing/MemoryConnection.ts"
import * as arbitraries from "../support/Arbitraries.ts"
import { runs } from "../support/runs.ts"

const MAX_LINE_BYTES = 65_536
const LIMITS = { lines: 5, seconds: null, bytes: 65_536 }
const BACKLOG = { soft_limit_bytes: 1_048_576 }

const unlimited = { soft_limit_bytes: Infinity, hard_limit_bytes: Infinity, policy: "disconnect" } as const
const ignored = { onSlow() {}, onCaughtUp() {}, onOverflow() {}, onDropped() {} }

const join = (room: Room, n: number) => {
  const connection = new MemoryConnection(`10.0.0.1:${n}`)
  const member = new Member(connection, unlimited, ignored)
  room.join(member)
  return { connection, member, contents: () => connection.lines.map((line) => JSON.parse(line).content as string) }
}

const publish = (room: Room, sender: Sender, content: string) => {
  const bytes = Buffer.from(content)
  assert.isTrue(room.publish(sender, bytes, 0, bytes.length))
}

describe("the history of a room", () => {
  it("greets a client with the last lines before the first new one, in order and once", () => {
    const room = new Room(MAX_LINE_BYTES, new History(LIMITS, BACKLOG))
    const host = new Sender("host")
    for (let i = 0; i < 8; i++) {
      publish(room, host, `${i}`)
      // Some batches have one line, some several.
      if (i % 3 === 0) room.flush()
    }
    const late = join(room, 1)
    publish(room, host, "new")
    room.flush()
    assert.deepStrictEqual(late.contents(), ["3", "4", "5", "6", "7", "new"])
    assert.strictEqual(late.connection.lines[0], `{"remote_addr":"host","content":"3"}`)
    assert.deepStrictEqual(join(room, 2).contents(), ["4", "5", "6", "7", "new"])
  })

  it("has no lines that were for some clients only, and those of other processes", () => {
    const room = new Room(MAX_LINE_BYTES, new History(LIMITS, BACKLOG))
    const [a, host] = [join(room, 1), new Sender("host")]
    publish(room, host, "to all")
    const secret = Buffer.from("to one")
    room.publishTo([a.member], host, secret, 0, secret.length)
    publish(room, host, "to all again")
    const others = (content: string) => Buffer.from(`{"remote_addr":"elsewhere","content":"${content}"}\n`)
    room.receive({ bytes: others("short"), messages: 1 })
    room.receive({ bytes: others("x".repeat(50_000)), messages: 1 })
    assert.deepStrictEqual(
      join(room, 2)
        .contents()
        .map((content) => content.slice(0, 12)),
      ["to all", "to all again", "short", "xxxxxxxxxxxx"]
    )
    assert.include(a.contents(), "to one")
  })

  it("forgets lines that are too old, and follows a reload", () => {
    const limits = { lines: 10, seconds: 60 as number | null, bytes: 65_536 }
    const history = new History(limits, BACKLOG)
    const line = (text: string) => ({ bytes: Buffer.from(`${text}\n`), messages: 1 })
    history.add(line("a"), 0)
    history.add(line("b"), 30_000)
    const at = (millis: number) => history.chunks(millis).map(({ bytes }) => Buffer.from(bytes).toString())
    assert.deepStrictEqual(at(60_000), ["a\n", "b\n"])
    assert.deepStrictEqual(at(60_001), ["b\n"])
    assert.deepStrictEqual(at(90_001), [])
    assert.strictEqual(history.bytes, 0)
    history.add(line("c"), 100_000)
    limits.lines = 0
    assert.isFalse(history.isOn)
    assert.deepStrictEqual(at(100_000), [])
    assert.strictEqual(history.bytes, 0)
  })

  it("has nothing after a line that is too long for it, until the next", () => {
    const history = new History(LIMITS, BACKLOG)
    for (const text of ["before", "x".repeat(LIMITS.bytes)])
      history.add({ bytes: Buffer.from(`${text}\n`), messages: 1 }, 0)
    assert.deepStrictEqual(history.chunks(0), [])
    assert.strictEqual(history.bytes, 0)
    history.add({ bytes: Buffer.from("after\n"), messages: 1 }, 0)
    assert.deepStrictEqual(
      history.chunks(0).map(({ bytes }) => Buffer.from(bytes).toString()),
      ["after\n"]
    )
  })

  it("uses the memory of lines that it has forgotten again", () => {
    const history = new History(LIMITS, BACKLOG)
    const bytes = Buffer.from(`${"x".repeat(40_000)}\n`)
    const allocated = vi.spyOn(Buffer, "allocUnsafeSlow")
    for (let i = 0; i < 50; i++) history.add({ bytes, messages: 1 }, 0)
    assert.isAtMost(allocated.mock.calls.length, 4)
    allocated.mockRestore()
  })

  const batch = arbitraries.array(arbitraries.int(0, 3000), { minLength: 1, maxLength: 5 })

  it.prop(
    "is the longest end of what was sent that is within the limits, whatever the batches, and costs at most twice that and an entry",
    {
      batches: arbitraries.array(batch, { maxLength: 60 }),
      lines: arbitraries.int(1, 40),
      bytes: arbitraries.int(1024, 20_000),
      soft_limit_bytes: arbitraries.int(1024, 40_000)
    },
    ({ batches, bytes, lines, soft_limit_bytes }) => {
      const history = new History({ lines, seconds: null, bytes }, { soft_limit_bytes })
      const maxBytes = Math.min(bytes, soft_limit_bytes)
      const sent: Array<string> = []
      const given: Array<readonly [text: string, got: ReadonlyArray<{ readonly bytes: Uint8Array }>]> = []
      const textOf = (chunks: ReadonlyArray<{ readonly bytes: Uint8Array }>) =>
        Buffer.concat(chunks.map((chunk) => chunk.bytes)).toString()
      for (const [i, lengths] of batches.entries()) {
        const added = lengths.map((length, j) => `${i}.${j} ${"x".repeat(length)}\n`)
        sent.push(...added)
        const chunk = { bytes: Buffer.from(added.join("")), messages: added.length }
        history.add(chunk, 0)
        chunk.bytes.fill("!")
        assert.isAtMost(history.bytes, 2 * maxBytes + 256)
        // What a client was given is not used again.
        if (i % 4 !== 3) continue
        const got = history.chunks(0)
        const text = textOf(got)
        given.push([text, got])
        assert.isTrue(sent.join("").endsWith(text))
        const messages = got.reduce((sum, { messages }) => sum + messages, 0)
        assert.strictEqual(text.split("\n").length - 1, messages)
        assert.isAtMost(messages, lines)
        assert.isAtMost(text.length, maxBytes)
        // One line more would be too many, or too long with what entries cost.
        const next = sent.at(-messages - 1)
        if (next !== undefined && messages < lines) {
          assert.isAbove(text.length + next.length + 256 * (i + 1), maxBytes)
        }
      }
      for (const [text, got] of given) assert.strictEqual(textOf(got), text)
    },
    runs(40)
  )
})
