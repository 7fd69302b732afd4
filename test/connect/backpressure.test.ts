import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Writable } from "node:stream"
import * as ConnectCli from "./ConnectCli.ts"
import * as FakeServer from "./FakeServer.ts"

/** Writes 32 MiB of lines, far more than the system takes on its own. */
const pour = (stream: Writable) => {
  const piece = `${"x".repeat(1023)}\n`.repeat(64)
  const pieces = 512
  let taken = 0
  for (let i = 0; i < pieces; i++) {
    stream.write(piece, () => {
      taken += piece.length
    })
  }
  return { length: piece.length * pieces, taken: () => taken }
}

/** Waits until a number stays the same for a while: something has stopped. */
const quiet = Effect.fnUntraced(function* (progress: () => number) {
  for (let last = NaN, same = 0; same < 10;) {
    yield* Effect.sleep("50 millis")
    const now = progress()
    same = now === last ? same + 1 : 0
    last = now
  }
})

describe("connect", () => {
  it.live("reads standard input no faster than the server takes it", () =>
    Effect.gen(function* () {
      const server = yield* FakeServer.fakeServer
      const client = yield* ConnectCli.start([server.port])
      const socket = yield* server.accepted
      const flood = pour(client.stdin)
      yield* quiet(flood.taken)
      assert.isBelow(flood.taken(), flood.length)
      client.stdin.end()
      assert.strictEqual((yield* FakeServer.received(socket)).length, flood.length)
      socket.end()
      assert.strictEqual(yield* client.exit, 0)
    })
  )

  it.live("reads from the server no faster than standard output is read", () =>
    Effect.gen(function* () {
      const server = yield* FakeServer.fakeServer
      const client = yield* ConnectCli.start(["--raw", server.port], { read: false })
      const socket = yield* server.accepted
      const flood = pour(socket)
      yield* quiet(flood.taken)
      assert.isBelow(flood.taken(), flood.length)
      socket.end()
      let length = 0
      client.stdout.on("data", (bytes: Buffer) => {
        length += bytes.length
      })
      assert.strictEqual(yield* client.exit, 3)
      assert.strictEqual(length, flood.length)
    })
  )
})
