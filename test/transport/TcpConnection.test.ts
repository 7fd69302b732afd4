import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { once } from "node:events"
import { TcpConnection } from "../../src/transport/TcpConnection.ts"
import * as SocketPair from "../support/SocketPair.ts"

const PEER = { address: "127.0.0.1:1", ip: "127.0.0.1", transport: "tcp" }

/** A connection, its socket, and the socket of the client. */
const pair = Effect.map(SocketPair.make, ({ client, socket }) => ({
  client,
  connection: new TcpConnection(socket, PEER),
  socket
}))

const text = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString()

/** Ways to end before anybody listens, and what the first pull then gives. */
const ENDS: ReadonlyArray<
  readonly [
    how: string,
    event: string,
    end: (sides: Effect.Success<typeof SocketPair.make>) => void,
    code: string | undefined
  ]
> = [
  ["half-closed", "end", ({ client, socket }) => void client.end(() => socket.resume()), undefined],
  ["closed", "close", ({ socket }) => socket.destroy(), undefined],
  ["lost", "close", ({ socket }) => socket.destroy(Object.assign(new Error(), { code: "ECONNRESET" })), "ECONNRESET"]
]

describe("TcpConnection", () => {
  it.live.each(ENDS)("notices that its socket was %s before it had any listener", ([, event, end, code]) =>
    Effect.gen(function* () {
      const sides = yield* SocketPair.make
      sides.socket.on("error", () => {})
      const ended = new Promise<void>((resolve) => sides.socket.once(event, resolve))
      end(sides)
      yield* Effect.promise(() => ended)
      const connection = new TcpConnection(sides.socket, PEER)
      assert.strictEqual(connection.isClosedUnsafe(), event === "close")
      const pulled = yield* Effect.match(connection.pull, { onFailure: ({ code }) => code, onSuccess: () => undefined })
      assert.strictEqual(pulled, code)
    })
  )

  it.live("returns the memory of the bytes of a pull at the next one", () =>
    Effect.gen(function* () {
      const { client, connection } = yield* pair
      client.write("one\n")
      const first = yield* connection.pull
      client.write("two\n")
      assert.strictEqual(text(first), "one\n")
      assert.strictEqual(text(yield* connection.pull), "two\n")
      assert.strictEqual(first?.length, 0)
    })
  )

  it.live("returns the memory of bytes that nobody pulls any more", () =>
    Effect.gen(function* () {
      const { client, connection, socket } = yield* pair
      connection.endUnsafe()
      const discarded = once(socket, "data") as Promise<[Buffer]>
      client.write("too late\n")
      assert.strictEqual((yield* Effect.promise(() => discarded))[0].length, 0)
      assert.strictEqual(connection.receivedBytes(), "too late\n".length)
    })
  )

  it.live.each<readonly [where: string, from: number, to: number]>([
    ["before them", 14, 28],
    ["behind them", 0, 14],
    ["in a small part behind them", 0, 27]
  ])("keeps the memory of bytes that others share %s", ([, from, to]) =>
    Effect.gen(function* () {
      const { client, connection, socket } = yield* pair
      const lines = "the first ln\n\nthe second ln\n"
      const all = new Uint8Array(Buffer.from(lines))
      socket.unshift(Buffer.from(all.buffer, from, to - from))
      assert.strictEqual(text(yield* connection.pull), lines.slice(from, to))
      client.write("the last\n")
      assert.strictEqual(text(yield* connection.pull), "the last\n")
      assert.strictEqual(text(all), lines)
    })
  )
})
