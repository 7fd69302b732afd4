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
import type { Parts } from "../../src/relay/Parts.ts"
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
  parts: Parts = {},
  options: Options = {}
) {
  const log: Array<string> = []
  const context = yield* Layer.build(
    TestRelay.layer(options, { messageFilter: (client) => Effect.succeed(open(client)), ...parts }).pipe(
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
          TestRelay.layer(
            { hyper_parameters: { backpressure_policy: { disconnect_threshold: 2, enable_throttle: false } } },
            {
              messageFilter: MessageFilter.gate((line) =>
                Effect.succeed(line === "all" ? MessageFilter.relay() : MessageFilter.relay({ to: () => false }))
              )
            }
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
        { quarantine: TestQuarantine.layer() }
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

  it.effect("has ten minutes for a line in a profile without an idle timeout, then its client is disconnected", () =>
    Effect.gen(function* () {
      const { a, b, log, relay } = yield* start(
        () => (line) => (line === "hello" ? Effect.never : Effect.succeed(MessageFilter.relay())),
        {},
        { version: "python" }
      )
      a.send("hello\n")
      yield* TestClock.adjust("9 minutes")
      b.send("quick\n")
      yield* a.readLines(1)
      yield* TestClock.adjust("2 minutes")
      assert.isTrue(a.isClosed)
      assert.deepStrictEqual(a.lines, [envelope(b, "quick"), "Warning: Server disconnected."])
      assert.strictEqual(b.received, "")
      assert.deepStrictEqual(
        log.filter((line) => line.startsWith("WARNING ")),
        [`WARNING ${a.address} disconnected: the message filter did not answer (2 clients)`]
      )
      assert.strictEqual((yield* relay.stats).departures.application, 1)
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
        {},
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
        {},
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
      const context = yield* Layer.build(TestRelay.layer({}, { messageFilter: open }))
      const { connect } = yield* Effect.provideContext(MemoryNetwork, context)
      const [b, a] = [yield* connect({ ip: "::1" }), yield* connect()]
      a.send("hello\n")
      yield* TestClock.adjust(999)
      assert.strictEqual(b.received, "")
      yield* TestClock.adjust(1)
      yield* b.readLines(1)
      a.reset("ECONNRESET")
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(events, [`open ${b.address} ::1`, `open ${a.address} 127.0.0.1`, `close ${a.address}`])
    })
  )

  it.effect("that has not answered does not keep the server from stopping, nor its client from being told", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const layer = TestRelay.layer({}, { messageFilter: MessageFilter.gate(() => Effect.never) })
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
      const context = yield* Layer.build(TestRelay.layer({}, { messageFilter: open }))
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
      const { a, b } = yield* start(
        () => (line) => {
          asked.push(line)
          return Effect.succeed(MessageFilter.relay({ content: "x".repeat(70_000) }))
        },
        { rateLimiter: TestRateLimiter.layer([false, true]) }
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

/** Passwords, by line. */
const login =
  (admission: MessageFilter.Decision, options?: Parameters<typeof MessageFilter.hold>[1]): MessageFilter.Open =>
  () => {
    let isIn = false
    const gate: MessageFilter.Gate = (line) => {
      if (isIn) return Effect.succeed(MessageFilter.relay())
      if (line === "early") return Effect.succeed(MessageFilter.relay())
      if (line === "wrong") return Effect.succeed(MessageFilter.disconnect({ notice: "Wrong." }))
      if (line !== "password") return Effect.succeed(MessageFilter.refuse("Password?"))
      isIn = true
      return Effect.succeed(admission)
    }
    return Effect.succeed(MessageFilter.hold(gate, options))
  }

/** A relay with this filter. */
const serve = Effect.fnUntraced(function* (messageFilter: MessageFilter.Open, options: Options = {}) {
  const log: Array<string> = []
  const context = yield* Layer.build(
    TestRelay.layer(options, { messageFilter }).pipe(Layer.provide(RelayLogger.layerTest(log)))
  )
  const { connect } = yield* Effect.provideContext(MemoryNetwork, context)
  return { connect, log, relay: yield* Effect.provideContext(RelayServer, context) }
})

describe("a client that a message filter holds outside the room", () => {
  it.effect("hears nothing and is not heard before it is admitted, and everything from then on", () =>
    Effect.gen(function* () {
      const { connect, log, relay } = yield* serve(login(MessageFilter.admit("Welcome.")))
      const a = yield* connect()
      a.send("password\n")
      yield* a.readLines(1)
      const b = yield* connect()
      b.send("hello\n")
      yield* b.readLines(1)
      a.send("secret\n")
      yield* a.until((self) => self.isAwaited)
      yield* relay.broadcast("for members", { from: "host" })
      assert.deepStrictEqual(
        (yield* relay.clients).map(({ state }) => state),
        ["active", "pending"]
      )
      b.send("password\nhi\n")
      yield* a.readLines(3)
      a.send("last\n")
      yield* b.readLines(3)
      const expected = [JSON.stringify({ remote_addr: "host", content: "for members" }), envelope(b, "hi")]
      assert.deepStrictEqual(a.lines, ["Warning: Welcome.", ...expected])
      assert.deepStrictEqual(b.lines, ["Warning: Password?", "Warning: Welcome.", envelope(a, "last")])
      assert.includeMembers(log, [
        `INFO ${a.address} connected (0 clients)`,
        `INFO ${a.address} admitted (1 client)`,
        `INFO ${b.address} admitted (2 clients)`
      ])
      assert.strictEqual((yield* relay.stats).linesRelayed, 4)
    })
  )

  it.effect("changes its state when it is admitted, for those who watch", () =>
    Effect.gen(function* () {
      const { connect, relay } = yield* serve(login(MessageFilter.admit()))
      const watching = yield* relay.changes.pipe(
        Stream.map((change) => [change._tag, change.client.state]),
        Stream.take(3),
        Stream.runCollect,
        Effect.forkChild({ startImmediately: true })
      )
      const a = yield* connect()
      a.send("password\n")
      a.endStream()
      assert.deepStrictEqual(Array.from(yield* Fiber.join(watching)), [
        ["Connected", "pending"],
        ["StateChanged", "active"],
        ["Disconnected", "active"]
      ])
    })
  )

  it.effect("can be sent a notice and disconnected, is not addressed by a broadcast, and takes a place", () =>
    Effect.gen(function* () {
      const { connect, relay } = yield* serve(login(MessageFilter.admit()), { hyper_parameters: { max_clients: 1 } })
      const a = yield* connect()
      yield* relay.send(a.address, "Who are you?")
      assert.strictEqual((yield* Effect.flip(relay.broadcast("you", { to: a.address })))._tag, "ClientNotFound")
      assert.deepStrictEqual((yield* connect()).lines, ["Warning: Server is full. Please try again later."])
      yield* relay.disconnect(a.address, { notice: "Too late." })
      yield* a.until((self) => self.isClosed)
      assert.deepStrictEqual(a.lines, ["Warning: Who are you?", "Warning: Too late."])
    })
  )

  it.effect("is disconnected when it is not admitted in time, with the notice of the program", () =>
    Effect.gen(function* () {
      const { connect, log } = yield* serve(login(MessageFilter.admit(), { within: "5 seconds", notice: "Too slow." }))
      const [a, b] = [yield* connect(), yield* connect()]
      a.send("password\n")
      yield* TestClock.adjust(4999)
      assert.isFalse(b.isClosed)
      yield* TestClock.adjust(1)
      yield* b.until((self) => self.isClosed)
      assert.deepStrictEqual(b.lines, ["Warning: Too slow."])
      assert.include(log, `INFO ${b.address} disconnected: not admitted in time (1 client)`)
      yield* TestClock.adjust("1 minute")
      assert.isFalse(a.isClosed)
    })
  )

  it.effect("has 30 seconds by default", () =>
    Effect.gen(function* () {
      const { connect } = yield* serve(login(MessageFilter.admit()))
      const a = yield* connect()
      yield* TestClock.adjust(29_999)
      assert.isFalse(a.isClosed)
      yield* TestClock.adjust(1)
      yield* a.until((self) => self.isClosed)
      assert.deepStrictEqual(a.lines, ["Warning: You have been disconnected by the server."])
    })
  )

  it.effect("is disconnected when its gate says so, and as by a failure when its gate relays a line", () =>
    Effect.gen(function* () {
      const { connect, log } = yield* serve(login(MessageFilter.admit()))
      const [a, b, member] = [yield* connect(), yield* connect(), yield* connect()]
      member.send("password\n")
      a.send("wrong\n")
      yield* a.until((self) => self.isClosed)
      assert.deepStrictEqual(a.lines, ["Warning: Wrong."])
      b.send("early\n")
      yield* b.until((self) => self.isClosed)
      assert.match(log.join("\n"), /ERROR .*the gate of a client relays its line before it is admitted/)
      assert.strictEqual(member.received, "")
    })
  )

  it.effect("keeps no sender waiting, however little it reads", () =>
    Effect.gen(function* () {
      const { connect, relay } = yield* serve(
        ({ ip }) =>
          Effect.succeed(
            ip === "10.0.0.9"
              ? MessageFilter.hold(() => Effect.succeed(MessageFilter.refuse("x".repeat(40_000))))
              : () => Effect.succeed(MessageFilter.relay())
          ),
        { hyper_parameters: { slow_consumer: { soft_limit_bytes: 65_536, stall_grace_ms: 60_000 } } }
      )
      const [a, b, stranger] = [yield* connect(), yield* connect(), yield* connect({ ip: "10.0.0.9" })]
      yield* Effect.addFinalizer(() => Effect.sync(() => stranger.resumeReading()))
      stranger.stopReading()
      stranger.send("1\n2\n3\n")
      yield* stranger.until((self) => self.isAwaited)
      assert.isAbove((yield* relay.clients)[2]!.bytesWaiting, 40_000)
      a.send("hello\n")
      assert.deepStrictEqual(yield* b.readLines(1), [envelope(a, "hello")])
      assert.strictEqual((yield* relay.stats).incidents["slow"], 0)
    })
  )
})

describe("a client that a message filter has not decided on", () => {
  it.effect("is outside the room, and is refused with a notice and in quarantine if the filter says so", () =>
    Effect.gen(function* () {
      const answer = yield* Deferred.make<MessageFilter.Disconnect>()
      const { connect, log, relay } = yield* serve(({ ip }) =>
        ip === "10.0.0.9" ? Deferred.await(answer) : Effect.succeed(() => Effect.succeed(MessageFilter.relay()))
      )
      const [member, other, stranger] = [yield* connect(), yield* connect(), yield* connect({ ip: "10.0.0.9" })]
      member.send("hello\n")
      yield* other.readLines(1)
      stranger.send("hello\n")
      yield* Deferred.succeed(answer, MessageFilter.disconnect({ notice: "Banned.", quarantine: true }))
      yield* stranger.until((self) => self.isClosed)
      assert.deepStrictEqual(stranger.lines, ["Warning: Banned."])
      assert.deepStrictEqual(
        (yield* relay.quarantine.list).map(({ key }) => key),
        ["10.0.0.9"]
      )
      assert.include(
        log,
        `INFO ${stranger.address} disconnected: disconnected by the application and quarantined (2 clients)`
      )
      assert.deepStrictEqual(other.lines, [envelope(member, "hello")])
    })
  )

  it.effect("is disconnected when it returns nothing of use, and the log says what it returned", () =>
    Effect.gen(function* () {
      const { connect, log } = yield* serve((() => Effect.undefined) as never)
      const a = yield* connect()
      yield* a.until((self) => self.isClosed)
      assert.match(log.join("\n"), /ERROR .*a message filter returns a gate, hold or disconnect; found undefined/)
      const undecided = yield* serve((() => Effect.succeed(() => Effect.succeed("ok"))) as never)
      const b = yield* undecided.connect()
      b.send("hello\n")
      yield* b.until((self) => self.isClosed)
      assert.match(undecided.log.join("\n"), /ERROR .*a gate decides relay, refuse, admit or disconnect; found ok/)
    })
  )
})

describe("a group of clients", () => {
  /** Lines for the team that they begin with, or for all. */
  const teams =
    (groups: { readonly [name: string]: MessageFilter.Group }): MessageFilter.Open =>
    (client) =>
      Effect.sync(() => {
        for (const [name, group] of Object.entries(groups)) if (client.ip.endsWith(name)) group.add(client)
        return (line: string) => {
          const to = groups[line.slice(0, 1)]
          return Effect.succeed(to === undefined ? MessageFilter.relay() : MessageFilter.relay({ to }))
        }
      })

  it.effect("gets its lines with one write a turn, in order with those for all", () =>
    Effect.gen(function* () {
      const { connect } = yield* serve(teams({ 1: new MessageFilter.Group(), 2: new MessageFilter.Group() }))
      const [a, b, c] = [
        yield* connect({ ip: "0.0.0.1" }),
        yield* connect({ ip: "0.0.0.1" }),
        yield* connect({ ip: "0.0.0.2" })
      ]
      a.send("1a\nx\n1b\n2a\n1c\ny\n")
      yield* b.readLines(5)
      assert.deepStrictEqual(
        b.lines,
        ["1a", "x", "1b", "1c", "y"].map((content) => envelope(a, content))
      )
      assert.deepStrictEqual(
        c.lines,
        ["x", "2a", "y"].map((content) => envelope(a, content))
      )
      assert.deepStrictEqual([a.received, b.writes, c.writes], ["", 1, 1])
    })
  )

  it.effect("does not have a client that has gone, also when another comes with its address", () =>
    Effect.gen(function* () {
      const red = new MessageFilter.Group()
      const { connect } = yield* serve(teams({ 1: red }))
      const [a, b] = [yield* connect({ ip: "0.0.0.1" }), yield* connect({ ip: "0.0.0.1" })]
      assert.strictEqual(red.size, 2)
      const [first] = red
      b.reset("ECONNRESET")
      yield* b.until((self) => self.isDestroyed)
      assert.deepStrictEqual(
        Array.from(red, ({ address }) => address),
        [a.address]
      )
      a.endStream()
      yield* a.until((self) => self.isDestroyed)
      assert.strictEqual(red.size, 0)
      assert.strictEqual(red.add(first!).size, 0)
      assert.throws(() => red.add({ ...first! }), "a group takes the clients that a message filter is given")
    })
  )

  it.effect("has its lines for a client that is outside the room only once it is admitted", () =>
    Effect.gen(function* () {
      const red = new MessageFilter.Group()
      const { connect } = yield* serve((client) =>
        Effect.sync(() => {
          red.add(client)
          const gate: MessageFilter.Gate = (line) =>
            Effect.succeed(line === "password" ? MessageFilter.admit() : MessageFilter.relay({ to: red }))
          return MessageFilter.hold(gate)
        })
      )
      const [a, b, c] = [yield* connect(), yield* connect(), yield* connect()]
      for (const client of [a, b]) client.send("password\n")
      a.send("1\n")
      yield* b.readLines(1)
      c.send("password\n")
      yield* c.until((self) => self.isAwaited)
      a.send("2\n")
      assert.deepStrictEqual(yield* c.readLines(1), [envelope(a, "2")])
      red.delete(Array.from(red)[1]!)
      a.send("3\n")
      yield* c.readLines(2)
      assert.deepStrictEqual(
        b.lines,
        ["1", "2"].map((content) => envelope(a, content))
      )
    })
  )
})

describe("a message filter of plain functions", () => {
  it.effect("decides as one of Effects does, at once or later", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const { connect } = yield* serve(
        MessageFilter.fromPlain(async (client, signal) => {
          signal.addEventListener("abort", () => events.push(`gone ${client.ip}`))
          if (client.ip === "10.0.0.9") return MessageFilter.disconnect({ notice: "Banned." })
          return MessageFilter.hold((line) =>
            line === "password" ? MessageFilter.admit() : Promise.resolve(MessageFilter.relay({ content: `${line}!` }))
          )
        })
      )
      const banned = yield* connect({ ip: "10.0.0.9" })
      yield* banned.until((self) => self.isClosed)
      assert.deepStrictEqual(banned.lines, ["Warning: Banned."])
      const [a, b] = [yield* connect(), yield* connect()]
      for (const client of [a, b]) {
        client.send("password\n")
        yield* client.until((self) => self.isAwaited)
      }
      a.send("hello\n")
      assert.deepStrictEqual(yield* b.readLines(1), [envelope(a, "hello!")])
      a.reset("ECONNRESET")
      yield* a.until((self) => self.isDestroyed)
      assert.deepStrictEqual(events, ["gone 10.0.0.9", "gone 127.0.0.1"])
    })
  )

  it.effect("disconnects the client when it throws or rejects, and the log says why", () =>
    Effect.gen(function* () {
      const { connect, log } = yield* serve(
        MessageFilter.fromPlain(({ ip }) => {
          if (ip === "10.0.0.1") throw new Error("no arrival")
          return (line) => {
            if (line === "throw") throw new Error("no decision")
            return Promise.reject(new Error("no database"))
          }
        })
      )
      const clients = [yield* connect({ ip: "10.0.0.1" }), yield* connect(), yield* connect()]
      clients[1]!.send("throw\n")
      clients[2]!.send("reject\n")
      for (const client of clients) yield* client.until((self) => self.isClosed)
      for (const reason of ["no arrival", "no decision", "no database"]) {
        assert.match(log.join("\n"), new RegExp(`ERROR .*${reason}`))
      }
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
          {
            broadcaster: TestBroadcaster.layer,
            rateLimiter: TestRateLimiter.layer([true, false, true]),
            backpressure: TestBackpressure.layer(["throttle"]),
            quarantine: TestQuarantine.layer(["10.0.0.9"]),
            idleTimeout: TestIdleTimeout.layer
          }
        )
      )
    )
  )
})
