import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { readFile } from "node:fs/promises"
import { ServerConfig } from "../../src/config/ServerConfig.ts"
import { Listener } from "../../src/session/Listener.ts"
import { RelayLogger } from "../../src/logging/RelayLogger.ts"
import { RelayServer } from "../../src/RelayServer.ts"
import { noDisconnects } from "../../src/room/DisconnectReason.ts"
import * as MessageFilter from "../../src/session/MessageFilter.ts"
import * as TestBackpressure from "../../src/testing/TestBackpressure.ts"
import * as MemoryListener from "../../src/testing/MemoryListener.ts"
import { MemoryNetwork } from "../../src/testing/MemoryListener.ts"
import * as TestQuarantine from "../../src/testing/TestQuarantine.ts"
import * as TestRelay from "../../src/testing/TestRelay.ts"

describe("MemoryNetwork", () => {
  it.effect("shows of a refused client its notice and its end, but no departure: it never was there", () =>
    Effect.gen(function* () {
      const { connect } = yield* MemoryNetwork
      const relay = yield* RelayServer
      const refused = yield* connect({ ip: "10.0.0.9" })
      assert.deepStrictEqual(refused.lines, ["Warning: You are quarantined. Please try again in 5 seconds."])
      assert.deepInclude(refused, { isEnded: true, isClosed: true, ends: 1, endKind: undefined })
      assert.deepStrictEqual((yield* relay.stats).departures, noDisconnects())

      const dismissed = yield* connect()
      yield* relay.disconnect(dismissed.address)
      yield* dismissed.until((self) => self.isClosed)
      assert.deepInclude(dismissed, { ends: 1, endKind: "application" })
    }).pipe(Effect.provide(TestRelay.layer({}, { quarantine: TestQuarantine.layer(["10.0.0.9"]) })))
  )

  it.effect("is settled once every line has reached all who get it, however much there is", () =>
    Effect.gen(function* () {
      const { connect, settled } = yield* MemoryNetwork
      const clients = yield* Effect.forEach(Array.from({ length: 300 }), () => connect())
      for (const client of clients.slice(0, 20)) client.send("hello\n".repeat(50))
      yield* settled
      const lines = clients.map((client) => client.lines.length)
      assert.deepStrictEqual(new Set(lines.slice(20)), new Set([20 * 50]))
      assert.deepStrictEqual(new Set(lines.slice(0, 20)), new Set([19 * 50]))
    }).pipe(Effect.provide(TestRelay.layer({ version: "python" })))
  )

  it.effect("is settled only once a message filter has decided, whatever that waits for", () =>
    Effect.gen(function* () {
      const { connect, settled } = yield* MemoryNetwork
      const [a, b] = [yield* connect(), yield* connect()]
      a.send("hello\n")
      yield* settled
      assert.strictEqual(b.lines.length, 1)
    }).pipe(
      Effect.provide(
        TestRelay.layer(
          {},
          {
            messageFilter: MessageFilter.fromPlain(async () => {
              await readFile(import.meta.filename)
              return async () => {
                await readFile(import.meta.filename)
                return MessageFilter.relay()
              }
            })
          }
        )
      )
    )
  )

  it.effect("is settled while backpressure holds a sender, which only time ends", () =>
    Effect.gen(function* () {
      const { connect, settled } = yield* MemoryNetwork
      const [a, b] = [yield* connect(), yield* connect()]
      a.send("1\n2\n")
      yield* settled
      assert.strictEqual(b.lines.length, 1)
      yield* TestClock.adjust("1 second")
      yield* settled
      assert.strictEqual(b.lines.length, 2)
    }).pipe(Effect.provide(TestRelay.layer({}, { backpressure: TestBackpressure.layer(["throttle"]) })))
  )
})

describe("the clients of a MemoryNetwork whose server starts closed", () => {
  it.effect("wait for it to open, and are settled meanwhile", () =>
    Effect.gen(function* () {
      const context = yield* Layer.build(
        Layer.provide(MemoryListener.layer, ServerConfig.layerTest()).pipe(Layer.provide(RelayLogger.layerSilent))
      )
      const { connect, settled } = Context.get(context, MemoryNetwork)
      const listener = Layer.succeed(Listener, Context.get(context, Listener))
      const relay = yield* Effect.map(
        Layer.build(
          RelayServer.layer({}, { listener, startsClosed: true }).pipe(Layer.provide(RelayLogger.layerSilent))
        ),
        Context.get(RelayServer)
      )
      const [b, a] = [yield* connect(), yield* connect()]
      a.send("hello\n")
      yield* settled
      assert.deepStrictEqual([yield* relay.clients, b.lines], [[], []])
      yield* relay.open
      yield* settled
      assert.strictEqual(b.lines.length, 1)
    })
  )
})

describe("a wait on a MemoryConnection", () => {
  it.effect("for lines that cannot come any more dies, and says what has come", () =>
    Effect.gen(function* () {
      const { connect } = yield* MemoryNetwork
      const relay = yield* RelayServer
      const [a, b] = [yield* connect(), yield* connect()]
      a.send("hello\n")
      yield* b.readLines(1)
      const waiting = yield* Effect.forkChild(b.readLines(3))
      yield* relay.disconnect(b.address)
      const exit = yield* Fiber.await(waiting)
      assert.match(
        Exit.isFailure(exit) ? String(Cause.squash(exit.cause)) : "it has succeeded",
        /^Error: expected 3 lines from 127\.0\.0\.1:49154, which is closed and has read ".*hello.*disconnected by the server\.\\n"$/
      )
    }).pipe(Effect.provide(TestRelay.layer()))
  )

  it.effect("that a test gives up is in the log, with what has come", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const { connect } = yield* MemoryNetwork
      const [a, b] = [yield* connect(), yield* connect()]
      a.send("hello\n")
      yield* b.readLines(1)
      const waiting = yield* Effect.forkChild(
        b.until((self) => self.received.includes("bye")),
        { startImmediately: true }
      )
      yield* Fiber.interrupt(waiting)
      assert.match(
        lines.join(),
        /WARNING a test no longer waits for 127\.0\.0\.1:49154, which is open and has read ".*hello.*"/
      )
    }).pipe(Effect.provide(TestRelay.layer().pipe(Layer.provideMerge(RelayLogger.layerTest(lines)))))
  })
})
