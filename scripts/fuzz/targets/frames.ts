import * as ControlMessage from "../../../src/bus/ControlMessage.ts"
import * as Frame from "../../../src/bus/Frame.ts"
import { Inbound, MAX_UNFINISHED_BYTES } from "../../../src/bus/Inbound.ts"
import { Outbound } from "../../../src/bus/Outbound.ts"
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

/** A process that has published 20 batches, and the frames that it sends again. */
const publisher = () => {
  let bytesAgain = 0
  const outbound = new Outbound(Buffer.alloc(Frame.ORIGIN_BYTES, 255), 65_536, EVENTS)
  outbound.up({
    maxMessageBytes: 1024,
    send: (frame, to) => {
      if (to !== undefined) bytesAgain += frame.length
    },
    // Everything stays unconfirmed.
    confirmed: () => new Promise(() => {})
  })
  for (let i = 0; i < BATCHES; i++) outbound.publish([{ bytes: Buffer.from("line\n"), messages: 1 }])
  return { outbound, bytesAgain: () => bytesAgain }
}

const BATCHES = 20
const BATCH_BYTES = 5

/** Messages of anybody who may publish on the subjects of a room. */
export const frames: Target = {
  name: "frames",
  dictionary: [
    "\n",
    "x\n",
    "\x02\x00",
    "\x02\x01",
    "\x11",
    "\x12",
    "\x13",
    "\x14",
    "\0\0\0\0",
    "\0\0\0\x01",
    "\xff\xff\xff\xff\xff\xff"
  ],
  run: (input) => {
    const inbound = new Inbound(MAX_LINE_BYTES)
    const { bytesAgain, outbound } = publisher()
    const { got, room } = roomOfOne()
    /** The last request to each process. */
    const requests = new Map<string, ControlMessage.Request>()
    let expected = ""
    let positions = 0
    const take = (frame: Frame.Frame, nowMillis: number, isRepair: boolean) => {
      const { batch, lost, request } = inbound.take(frame, nowMillis, isRepair)
      assert.ok(lost >= 0 && inbound.unfinishedBytes >= 0 && inbound.unfinishedBytes <= MAX_UNFINISHED_BYTES)
      if (request !== undefined) requests.set(frame.origin, request)
      if (batch === undefined) return
      const text = Buffer.from(batch.bytes).toString("latin1")
      const lines = text.split("\n")
      assert.equal(lines.pop(), "")
      assert.equal(lines.length, batch.messages)
      assert.ok(lines.length > 0 && lines.every((line) => line.length < MAX_LINE_BYTES))
      expected += text
      room.receive(batch)
    }
    const handle = (message: ControlMessage.ControlMessage, nowMillis: number) => {
      const { from } = message
      outbound.heard(from)
      switch (message._tag) {
        case "Text": {
          const request = inbound.sent(from, message.sent, nowMillis)
          if (request !== undefined) requests.set(from, request)
          return
        }
        case "Acknowledgement":
          return outbound.acknowledged(from, message.end)
        case "Request": {
          const position = outbound.requested(from, message)
          outbound.repair()
          positions++
          assert.ok(position >= 1 && position <= BATCHES + 1)
          return
        }
        case "Position": {
          // Of a stranger who has seen the request.
          const token = requests.get(from)?.token ?? message.token
          assert.ok(inbound.answered(from, { ...message, token }).lost >= 0)
        }
      }
    }
    for (const [i, message] of messagesOf(input).entries()) {
      const frame = Frame.decode(message)
      const control = ControlMessage.decode(message)
      // Rooms may share a subject by mistake.
      assert.ok(frame === undefined || control === undefined)
      if (frame !== undefined) take(frame, 500 * i, i % 2 === 1)
      if (control !== undefined) handle(control, 500 * i)
    }
    room.flush()
    assert.equal(got(), expected)
    assert.ok(bytesAgain() <= positions * BATCHES * (BATCH_BYTES + Frame.HEADER_BYTES))
    outbound.close()
    inbound.expire(Infinity)
    assert.equal(inbound.unfinishedBytes, 0)
  }
}
