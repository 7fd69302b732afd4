import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { once } from "node:events"
import { setImmediate as endOfTurn } from "node:timers/promises"
import {
  PING_MILLIS,
  UNANSWERED_PINGS,
  WebSocketConnection
} from "../../../src/transport/websocket/WebSocketConnection.ts"
import { MAX_EMPTY_FRAMES } from "../../../src/transport/websocket/WebSocketFrames.ts"
import * as SocketPair from "../../support/SocketPair.ts"
import { CLOSE, frame, frames, PING, PONG, TEXT } from "../../support/WebSocketClient.ts"

/** A connection whose handshake is done, the socket of its client, and what comes there. */
const pair = Effect.map(SocketPair.make, ({ client, socket }) => {
  client.on("error", () => {})
  const identity = { address: "127.0.0.1:1", ip: "127.0.0.1", transport: "websocket" }
  const connection = new WebSocketConnection(socket, identity, 0)
  const cut = frames()
  /** Waits for the next frame that the server sends, and those that come with it. */
  const next = Effect.promise(async () => cut((await once(client, "data"))[0] as Buffer))
  return { client, connection, next }
})

const until = async (isSo: () => boolean) => {
  while (!isSo()) await endOfTurn()
}

const pull = ({ pull }: WebSocketConnection) => Effect.map(pull, (bytes) => bytes && Buffer.from(bytes).toString())

describe("WebSocketConnection", () => {
  it.live("pings a silent client, and drops it after some pings without an answer", () =>
    Effect.gen(function* () {
      const { connection, next } = yield* pair
      const pulling = yield* Effect.forkChild(Effect.flip(pull(connection)), { startImmediately: true })
      connection.pingUnsafe(PING_MILLIS - 1)
      assert.strictEqual(connection.unsentBytes(), 0)
      for (let i = 1; i <= UNANSWERED_PINGS; i++) {
        const pinged = yield* Effect.forkChild(next, { startImmediately: true })
        connection.pingUnsafe(i * PING_MILLIS)
        assert.deepStrictEqual(
          (yield* Fiber.join(pinged)).map(({ opcode }) => opcode),
          [PING]
        )
      }
      connection.pingUnsafe((UNANSWERED_PINGS + 1) * PING_MILLIS)
      assert.strictEqual((yield* Fiber.join(pulling)).code, "no answer to pings")
    })
  )

  it.live("returns the memory of lines that did not fit into that of their chunk", () =>
    Effect.gen(function* () {
      const { client, connection } = yield* pair
      const message = frame(TEXT, "in two parts")
      client.write(message.subarray(0, 10))
      const begin = yield* connection.pull
      client.write(message.subarray(10))
      assert.strictEqual(begin && Buffer.from(begin).toString(), "in t")
      const rest = yield* connection.pull
      client.write(frame(TEXT, "more"))
      assert.strictEqual(rest && Buffer.from(rest).toString(), "wo parts\n")
      assert.strictEqual(yield* pull(connection), "more\n")
      assert.strictEqual(rest?.length, 0)
    })
  )

  it.live("keeps a client that answers", () =>
    Effect.gen(function* () {
      const { client, connection, next } = yield* pair
      for (let i = 1; i <= 3 * UNANSWERED_PINGS; i++) {
        const pulling = yield* Effect.forkChild(pull(connection), { startImmediately: true })
        const pinged = yield* Effect.forkChild(next, { startImmediately: true })
        connection.pingUnsafe(i * PING_MILLIS)
        yield* Fiber.join(pinged)
        client.write(Buffer.concat([frame(PONG, ""), i % 3 === 0 ? frame(TEXT, "and speaks") : frame(PONG, "")]))
        if (i % 3 === 0) assert.strictEqual(yield* Fiber.join(pulling), "and speaks\n")
        else yield* Fiber.interrupt(pulling)
      }
      assert.isFalse(connection.isClosedUnsafe())
    })
  )

  it.live("keeps a client for years that only listens, and answers", () =>
    Effect.gen(function* () {
      const { client, connection } = yield* pair
      const lines: Array<string | undefined> = []
      yield* Effect.forkChild(
        pull(connection).pipe(
          Effect.tap((line) => Effect.sync(() => lines.push(line))),
          Effect.forever
        )
      )
      const pings = frames()
      let answered = 0
      client.on("data", (bytes: Buffer) => {
        for (const _ of pings(bytes)) {
          answered++
          client.write(frame(PONG, ""))
        }
      })
      for (let i = 1; i <= MAX_EMPTY_FRAMES + 10; i++) {
        // It is not asked while the session does not read, which it does again after the last answer.
        for (let turn = 0; turn < 4; turn++) yield* Effect.promise(() => endOfTurn())
        connection.pingUnsafe(i * PING_MILLIS)
        yield* Effect.promise(() => until(() => answered === i || connection.isClosedUnsafe()))
      }
      client.write(frame(TEXT, "still there"))
      yield* Effect.promise(() => until(() => lines.length > 0))
      assert.deepStrictEqual(lines, ["still there\n"])
    })
  )

  it.live("does not drop a client whose answers it does not read", () =>
    Effect.gen(function* () {
      const { client, connection } = yield* pair
      for (let i = 1; i <= 3 * UNANSWERED_PINGS; i++) connection.pingUnsafe(i * PING_MILLIS)
      client.write(frame(TEXT, "still there"))
      assert.strictEqual(yield* pull(connection), "still there\n")
    })
  )

  it.live("does not pile up answers for a client that pings and does not read", () =>
    Effect.gen(function* () {
      const { client, connection, next } = yield* pair
      client.pause()
      const pulling = yield* Effect.forkChild(pull(connection), { startImmediately: true })
      while (connection.writeUnsafe(Buffer.from(`${"x".repeat(60_000)}\n`))) continue
      const before = connection.unsentBytes()
      for (let i = 0; i < 4000; i++) client.write(frame(PING, `${i} ${"x".repeat(100)}`))
      client.write(frame(TEXT, "done"))
      assert.strictEqual(yield* Fiber.join(pulling), "done\n")
      assert.strictEqual(connection.unsentBytes(), before)
      client.resume()
      const answers: Array<string> = []
      while (answers.length === 0) {
        for (const { opcode, payload } of yield* next) if (opcode === PONG) answers.push(payload.toString())
      }
      assert.deepStrictEqual(answers, [`3999 ${"x".repeat(100)}`])
    })
  )

  it.live("says why it ends", () =>
    Effect.gen(function* () {
      for (const [kind, code] of [
        ["left", 1000],
        ["shutdown", 1001],
        ["idle", 1008],
        ["too slow", 1008],
        ["backpressure", 1008],
        ["application", 1008],
        ["failed", 1011]
      ] as const) {
        const { connection, next } = yield* pair
        const closed = yield* Effect.forkChild(next, { startImmediately: true })
        connection.endUnsafe(kind)
        const [last] = yield* Fiber.join(closed)
        assert.deepStrictEqual([last?.opcode, last?.payload.readUInt16BE()], [CLOSE, code])
      }
    })
  )

  it.live("sends nothing but the end to a client that has said goodbye", () =>
    Effect.gen(function* () {
      const { client, connection, next } = yield* pair
      client.write(Buffer.concat([frame(TEXT, "bye"), frame(CLOSE, Buffer.of(0x0f, 0xa0))]))
      assert.strictEqual(yield* pull(connection), "bye\n")
      assert.isUndefined(yield* pull(connection))
      const closed = yield* Effect.forkChild(next, { startImmediately: true })
      assert.isTrue(connection.writeUnsafe(Buffer.from("too late\n")))
      connection.endUnsafe("left")
      const sent = yield* Fiber.join(closed)
      assert.deepStrictEqual(
        sent.map(({ opcode, payload }) => [opcode, payload.readUInt16BE()]),
        [[CLOSE, 4000]]
      )
    })
  )
})
