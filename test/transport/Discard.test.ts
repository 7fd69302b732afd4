import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { once } from "node:events"
import type * as Net from "node:net"
import { discard } from "../../src/transport/discard.ts"
import { TcpConnection } from "../../src/transport/TcpConnection.ts"
import * as SocketPair from "../support/SocketPair.ts"

const PEER = { address: "127.0.0.1:1", ip: "127.0.0.1", transport: "tcp" }

const BYTES = 8 * 1024 * 1024

/** The most chunks that are read in one turn of the event loop, until the client's last. */
const mostInTurn = (socket: Net.Socket) =>
  Effect.callback<number>((resume) => {
    let most = 0
    let now = 0
    const onTurn = () => {
      most = Math.max(most, now)
      now = 0
      if (socket.readableEnded) resume(Effect.succeed(most))
      else setImmediate(onTurn)
    }
    socket.on("data", () => now++)
    setImmediate(onTurn)
  })

describe("what a client sends after its connection has ended", () => {
  it.live.each<readonly [who: string, begin: (socket: Net.Socket) => void]>([
    ["a client", (socket) => new TcpConnection(socket, PEER).endUnsafe()],
    ["one that was refused", discard],
    [
      "one that was refused while somebody read it",
      (socket) => {
        socket.on("data", () => assert.fail("read by somebody"))
        discard(socket)
        discard(socket)
      }
    ]
  ])("is read to its end, a chunk in a turn of the event loop: of %s", ([, begin]) =>
    Effect.gen(function* () {
      const { client, socket } = yield* SocketPair.make
      client.end(Buffer.alloc(BYTES))
      // More than one chunk waits.
      yield* Effect.promise(() => once(socket, "readable"))
      begin(socket)
      assert.strictEqual(yield* mostInTurn(socket), 1)
      assert.strictEqual(socket.bytesRead, BYTES)
    })
  )
})
