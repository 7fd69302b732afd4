import * as Frame from "../../../src/bus/Frame.ts"
import { Inbound, MAX_UNFINISHED_BYTES } from "../../../src/bus/Inbound.ts"
import type { Connection } from "../../../src/room/Connection.ts"
import { Member, Room } from "../../../src/room/Room.ts"
import * as assert from "node:assert/strict"
import type { Target } from "../Target.ts"

const MAX_LINE_BYTES = 64

/** More than any batch here. */
const LIMITS = { policy: "disconnect", soft_limit_bytes: 1e9, hard_limit_bytes: 1e9, stall_grace_ms: 0 } as const

const EVENTS = { onSlow: () => {}, onCaughtUp: () => {}, onOverflow: () => {}, onDropped: () => {} }

/** A room with one client, and what that has got. */
const roomOfOne = () => {
  const got: Array<Buffer> = []
  const connection = {
    address: "127.0.0.1:1",
    writeUnsafe: (bytes: Uint8Array) => {
      got.push(Buffer.from(bytes))
      return true
    },
    corkUnsafe: () => {},
    uncorkUnsafe: () => {},
    unsentBytes: () => 0
  }
  const room = new Room(MAX_LINE_BYTES)
  // All of a connection that an outbox needs.
  room.join(new Member(connection as unknown as Connection, LIMITS, EVENTS))
  return { room, got: () => Buffer.concat(got).toString("latin1") }
}

/** The input: messages of NATS, each with its length in one byte before it. */
const messagesOf = (input: Buffer): ReadonlyArray<Buffer> => {
  const messages: Array<Buffer> = []
  for (let at = 0; at < input.length;) {
    const end = at + 1 + input[at]!
    messages.push(input.subarray(at + 1, end))
    at = end
  }
  return messages
}

/** What comes from whoever may publish to the subject of a room. */
export const frames: Target = {
  name: "frames",
  dictionary: ["\n", "x\n", "\x01\x00", "\x01\x01", "\0\0\0\0", "\0\0\0\x01", "\xff\xff\xff\xff\xff\xff"],
  run: (input) => {
    const inbound = new Inbound(MAX_LINE_BYTES)
    const { got, room } = roomOfOne()
    let expected = ""
    for (const [i, message] of messagesOf(input).entries()) {
      const frame = Frame.decode(message)
      if (frame === undefined) continue
      const { batch, lost } = inbound.take(frame, i)
      assert.ok(lost >= 0 && inbound.unfinishedBytes >= 0 && inbound.unfinishedBytes <= MAX_UNFINISHED_BYTES)
      if (batch === undefined) continue
      const text = Buffer.from(batch.bytes).toString("latin1")
      const lines = text.split("\n")
      assert.equal(lines.pop(), "")
      assert.equal(lines.length, batch.messages)
      assert.ok(lines.length > 0 && lines.every((line) => line.length < MAX_LINE_BYTES))
      expected += text
      room.receive(batch)
    }
    room.flush()
    assert.equal(got(), expected)
    inbound.expire(Infinity)
    assert.equal(inbound.unfinishedBytes, 0)
  }
}
