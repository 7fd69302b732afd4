import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { RelayLogger } from "../../src/logging/RelayLogger.ts"
import * as MessageFilter from "../../src/session/MessageFilter.ts"
import { Quarantine } from "../../src/limits/Quarantine.ts"
import { RelayServer } from "../../src/RelayServer.ts"
import type { Options } from "../../src/config/ServerConfig.ts"
import type { MemoryConnection } from "../../src/testing/MemoryConnection.ts"
import { MemoryNetwork } from "../../src/testing/MemoryListener.ts"
import * as TestBackpressure from "../../src/testing/TestBackpressure.ts"
import * as TestBroadcaster from "../../src/testing/TestBroadcaster.ts"
import * as TestIdleTimeout from "../../src/testing/TestIdleTimeout.ts"
import * as TestQuarantine from "../../src/testing/TestQuarantine.ts"
import * as TestRateLimiter from "../../src/testing/TestRateLimiter.ts"
import * as TestRelay from "../../src/testing/TestRelay.ts"

const envelope = ({ address }: MemoryConnection, content: string) => JSON.stringify({ remote_addr: address, content })

/** A relay in which `open` decides, and three clients of it. */
const start = Effect.fnUntraced(function* (
  open: (client: MessageFilter.Sender) => MessageFilter.Gate,
  replaced: Layer.Layer<never> | Layer.Layer<Quarantine> = Layer.empty,
  options: Options = {}
) {
  const log: Array<string> = []
  const context = yield* Layer.build(
    TestRelay.layer(options, replaced as Layer.Layer<Quarantine>).pipe(
      Layer.provide(MessageFilter.layer((client) => Effect.succeed(open(client)))),
      Layer.provide(RelayLogger.layerTest(log))
    )
  )
  const { connect } = yield* Effect.provideContext(MemoryNetwork, context)
  const relay = yield* Effect.provideContext(RelayServer, context)
  return { relay, log, a: yield* connect(), b: yield* connect(), c: yield* connect({ ip: "10.0.0.3" }) }
})

describe("MessageFilter", () => {
  it.effect("sees each line with its sender, and decides on it alone", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const { a, b, c, log } = yield* start(
        ({ address }) =>
          (line) =>
            Effect.sync(() => {
              seen.push(`${address} ${line}`)
              if (line === "bad") return MessageFilter.refuse()
              if (line === "rude") return MessageFilter.refuse("Mind your\nlanguage.")
              return line === "shout" ? MessageFilter.relay({ content: "SHOUT\n!" }) : MessageFilter.relay()
            })
      )
      a.send("one\nbad\nrude\nshout\nlast\n")
      const expected = [envelope(a, "one"), envelope(a, "SHOUT\n!"), envelope(a, "last")]
      assert.deepStrictEqual(yield* b.readLines(3), expected)
      assert.deepStrictEqual(yield* c.readLines(3), expected)
      assert.deepStrictEqual(a.lines, ["Warning: Mind your language."])
      assert.deepStrictEqual(
        seen,
        ["one", "bad", "rude", "shout", "last"].map((line) => `${a.address} ${line}`)
      )
      assert.includeMembers(log, [`INFO From ${a.address}: SHOUT\\n!`])
      assert.notInclude(log.join(), "bad")
    })
  )

  it.effect("chooses who gets a line, in order with those for all", () =>
    Effect.gen(function* () {
      const { a, b, c } = yield* start(() => (line) => {
        const [, to, content] = /^@(\S+) (.*)$/.exec(line) ?? []
        return Effect.succeed(
          to === undefined
            ? MessageFilter.relay()
            : MessageFilter.relay({ content: content!, to: (address) => address === to })
        )
      })
      a.send(`1\n@${b.address} 2\n3\n@${a.address} to myself\n4\n`)
      assert.deepStrictEqual(
        yield* b.readLines(4),
        ["1", "2", "3", "4"].map((content) => envelope(a, content))
      )
      assert.deepStrictEqual(
        yield* c.readLines(3),
        ["1", "3", "4"].map((content) => envelope(a, content))
      )
      assert.strictEqual(a.received, "")
    })
  )

  it.effect("counts only those whom a line is for as its fan-out", () =>
    Effect.gen(function* () {
      const { a, b, c } = yield* Effect.flatMap(
        Layer.build(
          TestRelay.layer({
            hyper_parameters: { backpressure_policy: { disconnect_threshold: 2, enable_throttle: false } }
          }).pipe(
            Layer.provide(
              MessageFilter.layerGate((line) =>
                Effect.succeed(line === "all" ? MessageFilter.relay() : MessageFilter.relay({ to: () => false }))
              )
            )
          )
        ),
        (context) =>
          Effect.gen(function* () {
            const { connect } = yield* MemoryNetwork
            return { a: yield* connect(), b: yield* connect(), c: yield* connect() }
          }).pipe(Effect.provideContext(context))
      )
      a.send("nobody\n")
      yield* a.until((self) => self.isAwaited)
      assert.isFalse(a.isClosed)
      a.send("all\n")
      yield* a.until((self) => self.isClosed)
      assert.deepStrictEqual(a.lines, ["Warning: You have been disconnected due to backpressure."])
      assert.deepStrictEqual([b.received, c.received], ["", ""])
    })
  )

  it.effect("ends a client, with a notice and in quarantine if it says so", () =>
    Effect.gen(function* () {
      const { a, b, c, relay } = yield* start(
        () => (line) =>
          Effect.succeed(
            line === "out"
              ? MessageFilter.disconnect({ notice: "Never again.", quarantine: true })
              : MessageFilter.disconnect()
          ),
        TestQuarantine.layer()
      )
      a.send("bye\nlost\n")
      yield* a.until((self) => self.isClosed)
      assert.deepStrictEqual(a.lines, ["Warning: You have been disconnected by the server."])
      assert.deepStrictEqual(yield* relay.quarantine.list, [])
      c.send("out\n")
      yield* c.until((self) => self.isClosed)
      assert.deepStrictEqual(c.lines, ["Warning: Never again."])
      assert.deepStrictEqual(
        (yield* relay.quarantine.list).map(({ key }) => key),
        ["10.0.0.3"]
      )
      assert.strictEqual(b.received, "")
    })
  )

  it.effect("may take its time, and only that client waits", () =>
    Effect.gen(function* () {
      const answer = yield* Deferred.make<MessageFilter.Decision>()
      const { a, b, c, relay } = yield* start(({ ip }) =>
        ip === "10.0.0.3" ? () => Deferred.await(answer) : () => Effect.succeed(MessageFilter.relay())
      )
      c.send("slow\nnext\n")
      a.send("quick\n")
      assert.deepStrictEqual(yield* b.readLines(1), [envelope(a, "quick")])
      yield* TestClock.adjust("200 seconds")
      assert.deepStrictEqual(
        (yield* relay.clients).map(({ state }) => state),
        ["active", "active", "waiting"]
      )
      yield* Deferred.succeed(answer, MessageFilter.relay())
      yield* a.until((self) => self.received.includes("next"))
      assert.deepStrictEqual(a.lines, [envelope(c, "slow"), envelope(c, "next")])
    })
  )

  it.effect("that never answers holds a client no longer than the idle timeout", () =>
    Effect.gen(function* () {
      const { a, relay } = yield* start(() => () => Effect.never)
      a.send("hello\n")
      yield* TestClock.adjust("331 seconds")
      assert.isTrue(a.isClosed)
      assert.deepStrictEqual(yield* relay.clients, [])
    })
  )

  it.effect("does not outlive its client's connection", () =>
    Effect.gen(function* () {
      const { a, relay } = yield* start(() => () => Effect.never)
      a.send("hello\n")
      a.reset("ECONNRESET")
      yield* TestClock.adjust(1999)
      assert.strictEqual((yield* relay.clients).length, 3)
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* relay.clients).length, 2)
    })
  )

  it.effect("makes senders wait for slow readers all the same", () =>
    Effect.gen(function* () {
      const { a, b, c, relay } = yield* start(
        () => () => Effect.as(Effect.sleep(10), MessageFilter.relay()),
        Layer.empty,
        {
          hyper_parameters: {
            slow_consumer: { soft_limit_bytes: 65_536, hard_limit_bytes: 200_000, stall_grace_ms: 5000 }
          }
        }
      )
      b.stopReading()
      // All of them are with their gates before the first is relayed.
      for (let i = 0; i < 10; i++) {
        a.send(`${"x".repeat(40_000)}\n`)
        c.send(`${"x".repeat(40_000)}\n`)
      }
      yield* TestClock.adjust(1000)
      assert.isFalse(b.isClosed)
      b.resumeReading()
      yield* TestClock.adjust(1000)
      assert.strictEqual(b.lines.length, 20)
      assert.strictEqual((yield* relay.stats).incidents["slow"], 0)
    })
  )

  it.effect("does not relay a line that it has let through while a slow reader holds up the room", () =>
    Effect.gen(function* () {
      const decided = yield* Deferred.make<MessageFilter.Decision>()
      const { a, b, c, relay } = yield* start(
        () => (line) => (line === "held" ? Deferred.await(decided) : Effect.succeed(MessageFilter.relay())),
        Layer.empty,
        { hyper_parameters: { slow_consumer: { soft_limit_bytes: 65_536, stall_grace_ms: 5000 } } }
      )
      b.stopReading()
      a.send("held\n")
      // With its gate before the room is held up.
      yield* TestClock.adjust(0)
      c.send(`${"x".repeat(40_000)}\n`.repeat(2))
      yield* TestClock.adjust(0)
      assert.strictEqual((yield* relay.stats).linesRelayed, 2)
      yield* Deferred.succeed(decided, MessageFilter.relay())
      yield* TestClock.adjust(1000)
      assert.strictEqual((yield* relay.stats).linesRelayed, 2)
      b.resumeReading()
      yield* c.readLines(1)
      assert.deepStrictEqual(c.lines, [envelope(a, "held")])
    })
  )

  it.effect("is made for each client before its first line, and knows when it has gone", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const open: MessageFilter.Open = ({ address, ip }) =>
        Effect.gen(function* () {
          events.push(`open ${address} ${ip}`)
          yield* Effect.addFinalizer(() => Effect.sync(() => events.push(`close ${address}`)))
          yield* Effect.sleep("1 second")
          return () => Effect.succeed(MessageFilter.relay())
        })
      const context = yield* Layer.build(TestRelay.layer().pipe(Layer.provide(MessageFilter.layer(open))))
      const { connect } = yield* Effect.provideContext(MemoryNetwork, context)
      const [a, b] = [yield* connect(), yield* connect({ ip: "::1" })]
      a.send("hello\n")
      yield* TestClock.adjust(999)
      assert.strictEqual(b.received, "")
      yield* TestClock.adjust(1)
      yield* b.readLines(1)
      a.reset("ECONNRESET")
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(events, [`open ${a.address} 127.0.0.1`, `open ${b.address} ::1`, `close ${a.address}`])
    })
  )

  it.effect("that has not answered does not keep the server from stopping, nor its client from being told", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const layer = TestRelay.layer().pipe(Layer.provide(MessageFilter.layerGate(() => Effect.never)))
      const context = yield* Scope.provide(Layer.build(layer), scope)
      const { connect } = yield* Effect.provideContext(MemoryNetwork, context)
      const a = yield* connect()
      a.send("hello\n")
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(a.lines, ["Warning: Server is shutting down."])
    })
  )

  it.effect("that is interrupted from within ends its client only", () =>
    Effect.gen(function* () {
      const { a, b, c, log } = yield* start(({ ip }) =>
        ip === "10.0.0.3" ? () => Effect.interrupt : () => Effect.succeed(MessageFilter.relay())
      )
      c.send("hello\n")
      yield* c.until((self) => self.isClosed)
      assert.strictEqual(c.received, "")
      assert.match(log.join("\n"), /^ERROR .*the gate of a client was interrupted/m)
      a.send("still here\n")
      assert.deepStrictEqual(yield* b.readLines(1), [envelope(a, "still here")])
    })
  )

  it.effect("holds up neither the goodbye nor the room when it cleans up", () =>
    Effect.gen(function* () {
      const open: MessageFilter.Open = () =>
        Effect.as(
          Effect.addFinalizer(() => Effect.sleep("1 hour")),
          () => Effect.never
        )
      const context = yield* Layer.build(TestRelay.layer().pipe(Layer.provide(MessageFilter.layer(open))))
      const { connect } = yield* Effect.provideContext(MemoryNetwork, context)
      const relay = yield* Effect.provideContext(RelayServer, context)
      const a = yield* connect()
      a.send("hello\n")
      yield* relay.disconnect(a.address)
      yield* a.until((self) => self.isClosed)
      assert.deepStrictEqual(a.lines, ["Warning: You have been disconnected by the server."])
      assert.deepStrictEqual(yield* relay.clients, [])
      yield* TestClock.adjust("1 hour")
    })
  )

  it.effect("is no change of its client's state for those who watch", () =>
    Effect.gen(function* () {
      const { a, b, relay } = yield* start(() => () => Effect.as(Effect.sleep(1), MessageFilter.relay()))
      const changes: Array<string> = []
      const watching = yield* relay.changes.pipe(
        Stream.runForEach(({ _tag }) => Effect.sync(() => changes.push(_tag))),
        Effect.forkChild({ startImmediately: true })
      )
      a.send("1\n2\n")
      yield* TestClock.adjust(5)
      yield* b.readLines(2)
      assert.deepStrictEqual(changes, ["Connected", "Connected", "Connected"])
      yield* Fiber.interrupt(watching)
    })
  )

  it.effect("ends the client if what it says cannot be done, and the log says why", () =>
    Effect.gen(function* () {
      const { a, log } = yield* start(() => () => Effect.succeed(MessageFilter.refuse("x".repeat(70_000))))
      a.send("hello\n")
      yield* a.until((self) => self.isClosed)
      assert.match(log.join("\n"), /^ERROR .*the notice has 70010 bytes; expected 65536 at most/m)
    })
  )

  it.effect("that fails ends the client and relays nothing, and the log says why", () =>
    Effect.gen(function* () {
      const { a, b, log } = yield* start(() => () => Effect.die(new Error("a bug")))
      a.send("secret\n")
      yield* a.until((self) => self.isClosed)
      assert.match(log.join("\n"), /^ERROR \S+ .*a bug/m)
      assert.strictEqual(b.received, "")
      assert.isFalse(b.isClosed)
    })
  )

  it.effect("is asked after the rate limit, and its changes are held to the longest line", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const replaced = TestRateLimiter.layer([false, true]) as Layer.Layer<never>
      const { a, b } = yield* start(
        () => (line) => {
          asked.push(line)
          return Effect.succeed(MessageFilter.relay({ content: "x".repeat(70_000) }))
        },
        replaced
      )
      a.send("over\nlong\n")
      assert.deepStrictEqual(yield* a.readLines(2), [
        "Warning: You are sending messages too quickly. Please slow down.",
        "Warning: Message exceeds 65536 bytes and was dropped."
      ])
      assert.deepStrictEqual(asked, ["long"])
      assert.strictEqual(b.received, "")
    })
  )
})

describe("test Layers", () => {
  it.effect("together make a server without a socket", () =>
    Effect.gen(function* () {
      const { connect } = yield* MemoryNetwork
      const broadcaster = yield* TestBroadcaster.TestBroadcaster
      const idleTimeout = yield* TestIdleTimeout.TestIdleTimeout
      const [a, b] = [yield* connect(), yield* connect({ ip: "10.0.0.2" })]
      const refused = yield* connect({ ip: "10.0.0.9" })
      assert.deepStrictEqual(refused.lines, ["Warning: You are quarantined. Please try again in 5 seconds."])
      a.send("1\n2\n3\n")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* b.readLines(2), [envelope(a, "1"), envelope(a, "3")])
      assert.deepStrictEqual(a.lines, ["Warning: You are sending messages too quickly. Please slow down."])
      assert.deepStrictEqual(
        (yield* broadcaster.published).map(({ content, from, to }) => [from, content, to]),
        [
          [a.address, "1", undefined],
          [a.address, "3", undefined]
        ]
      )
      yield* idleTimeout.expire
      yield* b.until((self) => self.isClosed)
      assert.strictEqual(b.lines.at(-1), "Warning: You have been disconnected due to inactivity.")
    }).pipe(
      Effect.provide(
        TestRelay.layer(
          { port: 7000 },
          Layer.mergeAll(
            TestBroadcaster.layer,
            TestRateLimiter.layer([true, false, true]),
            TestBackpressure.layer(["throttle"]),
            TestQuarantine.layer(["10.0.0.9"]),
            TestIdleTimeout.layer
          )
        )
      )
    )
  )
})
