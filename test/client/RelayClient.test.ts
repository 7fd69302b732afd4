import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as RelayClient from "../../src/client/RelayClient.ts"
import * as FakeServer from "../support/FakeServer.ts"
import * as Server from "../support/Server.ts"
import * as TcpClient from "../support/TcpClient.ts"

const connected = Effect.gen(function* () {
  const server = yield* Server.start({})
  const client = yield* RelayClient.connect(`tcp://127.0.0.1:${server.port}`)
  const other = yield* TcpClient.connect(server.port)
  const count = (clients: number) =>
    Server.until(() => server.lines.some((line) => line.endsWith(`(${clients} clients)`)))
  yield* count(2)
  return { server, client, other }
})

const envelope = (content: string) => `${JSON.stringify({ remote_addr: "10.0.0.1:5", content })}\n`

describe("the client as Effects", () => {
  it.live("sends, and has messages as a stream that ends when it is closed", () =>
    Effect.gen(function* () {
      const { client, other } = yield* connected
      yield* client.send("hello")
      assert.strictEqual(JSON.parse(yield* other.line).content, "hello")
      other.send("one\ntwo\n")
      const taken = yield* Stream.runCollect(Stream.take(client.messages, 2))
      assert.deepStrictEqual(
        taken.map(({ address, content }) => [address, content]),
        [
          [other.address, "one"],
          [other.address, "two"]
        ]
      )
      yield* client.close()
      assert.deepStrictEqual(yield* Stream.runCollect(client.lines), [])
      assert.strictEqual((yield* Effect.flip(client.send("late")))._tag, "NotSent")
      assert.strictEqual(yield* client.dropped, 0)
    })
  )

  it.live("loses no line to a consumer that is interrupted", () =>
    Effect.gen(function* () {
      const { client, other } = yield* connected
      const waiting = yield* Effect.forkChild(Stream.runCollect(client.messages), { startImmediately: true })
      yield* Effect.yieldNow
      yield* Fiber.interrupt(waiting)
      other.send("one\n")
      const taken = yield* Stream.runCollect(Stream.take(client.messages, 1))
      assert.deepStrictEqual(
        taken.map(({ content }) => content),
        ["one"]
      )
    })
  )

  it.live("drops the connection at the end of the scope", () =>
    Effect.gen(function* () {
      const server = yield* FakeServer.fakeServer
      const scope = yield* Scope.make()
      yield* Scope.provide(RelayClient.connect(`tcp://127.0.0.1:${server.port}`), scope)
      const socket = yield* server.accepted
      const ended = yield* Effect.forkChild(FakeServer.ended(socket), { startImmediately: true })
      assert.isUndefined(ended.pollUnsafe())
      yield* Scope.close(scope, Exit.void)
      yield* Fiber.join(ended)
    })
  )

  it.live("gives up an attempt that is interrupted, also if the scope goes on", () =>
    Effect.gen(function* () {
      const server = yield* FakeServer.fakeServer
      // The server never answers the handshake.
      const connecting = yield* Effect.forkChild(
        RelayClient.connect(`tls://127.0.0.1:${server.port}`, { connectTimeoutMillis: 3_600_000 })
      )
      const socket = yield* server.accepted
      const ended = yield* Effect.forkChild(FakeServer.ended(socket), { startImmediately: true })
      yield* Fiber.interrupt(connecting)
      yield* Fiber.join(ended)
    })
  )

  it.live("fails with a typed error, so that a stream can be retried by a Schedule", () =>
    Effect.gen(function* () {
      const server = yield* FakeServer.fakeServer
      const messages = Stream.unwrap(
        Effect.map(
          RelayClient.connect(`tcp://127.0.0.1:${server.port}`, { reconnect: false }),
          (client) => client.messages
        )
      ).pipe(
        Stream.retry(Schedule.recurs(1)),
        Stream.map(({ content }) => content)
      )
      const collected = yield* Effect.forkChild(Effect.exit(Stream.runCollect(Stream.take(messages, 2))))
      for (const content of ["one", "two"]) {
        const socket = yield* server.accepted
        socket.end(envelope(content))
      }
      assert.deepStrictEqual(yield* Effect.flatten(Fiber.join(collected)), ["one", "two"])
      yield* server.close
      const refused = yield* Effect.flip(Effect.scoped(RelayClient.connect("tcp://localhost:1")))
      assert.strictEqual(refused._tag, "CannotConnect")
    })
  )

  it.live("dies of a URL that a program must not give", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Effect.scoped(RelayClient.connect("http://localhost")))
      assert.isTrue(Exit.hasDies(exit))
    })
  )
})
