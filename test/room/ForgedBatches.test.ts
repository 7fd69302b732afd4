import { assert, describe, it } from "@effect/vitest"
import { Member, Room } from "../../src/room/Room.ts"
import type { Connection } from "../../src/room/Connection.ts"

describe("Room", () => {
  it("sends nothing but what was published, whatever batches of other processes say of themselves", () => {
    const sent: Array<Buffer> = []
    const connection = {
      address: "127.0.0.1:1",
      writeUnsafe: (bytes: Uint8Array) => {
        sent.push(Buffer.from(bytes))
        return true
      },
      corkUnsafe: () => {},
      uncorkUnsafe: () => {},
      unsentBytes: () => 0
    } as unknown as Connection
    const room = new Room(65_536)
    const limits = { policy: "disconnect", soft_limit_bytes: 1e9, hard_limit_bytes: 1e9, stall_grace_ms: 0 } as const
    const events = { onSlow: () => {}, onCaughtUp: () => {}, onOverflow: () => {}, onDropped: () => {} }
    room.join(new Member(connection, limits, events))
    const bytes = Buffer.alloc(32_768, "x\n")
    for (const messages of [0, -1, Number.NaN]) {
      for (let i = 0; i < 20; i++) room.receive({ bytes, messages })
      room.flush()
    }
    room.receive({ bytes: Buffer.alloc(0), messages: 1 })
    room.flush()
    room.receive({ bytes: Buffer.from("true\n"), messages: 1 })
    room.flush()
    assert.strictEqual(Buffer.concat(sent).toString(), "true\n")
  })
})
