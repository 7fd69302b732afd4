import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { AdminServer } from "../../src/admin/AdminServer.ts"
import { RelayLogger } from "../../src/logging/RelayLogger.ts"
import { ClientNotFound, type MessageRejected, RelayServer } from "../../src/RelayServer.ts"
import { noDisconnects } from "../../src/room/DisconnectReason.ts"
import { noTotals } from "../../src/session/Incidents.ts"
import type { Options } from "../../src/config/ServerConfig.ts"
import type { MemoryConnection } from "../../src/testing/MemoryConnection.ts"
import { MemoryNetwork } from "../../src/testing/MemoryListener.ts"
import * as TestRelay from "../../src/testing/TestRelay.ts"
import * as TcpClient from "../support/TcpClient.ts"

const envelope = (from: string, content: string) => JSON.stringify({ remote_addr: from, content })

const start = Effect.fnUntraced(function* (options: Options = {}, adminServer?: Layer.Layer<AdminServer>) {
  const log: Array<string> = []
  const scope = yield* Scope.make()
  const context = yield* Scope.provide(
    Layer.build(TestRelay.layer(options, { adminServer }).pipe(Layer.provide(RelayLogger.layerTest(log)))),
    scope
  )
  yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
  const { connect } = yield* Effect.provideContext(MemoryNetwork, context)
  return {
    relay: yield* Effect.provideContext(RelayServer, context),
    connect,
    log,
    /** Shuts the server down. */
    stop: Scope.close(scope, Exit.void)
  }
})

/** Collects a stream in a fiber; subscribed when it returns. */
const collect = <A>(stream: Stream.Stream<A>) =>
  Effect.forkChild(Effect.map(Stream.runCollect(stream), Array.from<A>), { startImmediately: true })

/** Waits until the server has read all that a client has sent. */
const settled = (connection: MemoryConnection) => connection.until((self) => self.isAwaited)

describe("RelayServer.clients", () => {
  it.effect("shows who is there, since when, and what went in and out", () =>
    Effect.gen(function* () {
      const { connect, relay } = yield* start()
      const a = yield* connect({ ip: "10.0.0.1" })
      yield* TestClock.adjust("3 seconds")
      const b = yield* connect({ ip: "10.0.0.2" })
      a.send("one\ntwo\nunfin")
      yield* b.readLines(2)
      b.stopReading()
      a.send("ished\n")
      yield* settled(a)
      yield* TestClock.adjust(0)
      const sent = envelope(a.address, "one").length + envelope(a.address, "two").length + 2
      const waiting = envelope(a.address, "unfinished").length + 1
      assert.deepStrictEqual(yield* relay.clients, [
        {
          address: a.address,
          ip: "10.0.0.1",
          transport: "tcp",
          connectedSince: new Date(0),
          linesIn: 3,
          linesOut: 0,
          bytesIn: 19,
          bytesOut: 0,
          bytesWaiting: 0,
          state: "active"
        },
        {
          address: b.address,
          ip: "10.0.0.2",
          transport: "tcp",
          connectedSince: new Date(3000),
          linesIn: 0,
          linesOut: 3,
          bytesIn: 0,
          bytesOut: sent + waiting,
          bytesWaiting: waiting,
          state: "active"
        }
      ])
      b.resumeReading()
      a.endStream()
      yield* a.until((self) => self.isClosed)
      assert.deepStrictEqual(
        (yield* relay.clients).map(({ address }) => address),
        [b.address]
      )
    })
  )

  it.effect("shows whom the server holds, and whom it has given up", () =>
    Effect.gen(function* () {
      const { connect, relay } = yield* start({
        hyper_parameters: {
          throttle_delay_ms: 500,
          backpressure_policy: { throttle_threshold: 1 },
          slow_consumer: { soft_limit_bytes: 65_536, hard_limit_bytes: 1_000_000, stall_grace_ms: 100 }
        }
      })
      const [a, b] = [yield* connect(), yield* connect()]
      const states = Effect.map(relay.clients, (clients) => clients.map(({ state }) => state))
      a.send("1\n")
      yield* b.readLines(1)
      assert.deepStrictEqual(yield* states, ["throttled", "active"])
      yield* TestClock.adjust(500)
      b.stopReading()
      yield* relay.broadcast("x".repeat(65_000))
      yield* relay.broadcast("x".repeat(65_000))
      yield* TestClock.adjust(1)
      a.send("2\n")
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* states, ["waiting", "active"])
      yield* TestClock.adjust(100)
      assert.strictEqual((yield* states)[1], "slow")
      b.resumeReading()
      yield* TestClock.adjust(500)
      assert.deepStrictEqual(yield* states, ["active", "active"])
    })
  )
})

describe("RelayServer.changes", () => {
  it.effect("begins with those who are there, and ends with the server", () =>
    Effect.gen(function* () {
      const { connect, relay, stop } = yield* start({
        hyper_parameters: { backpressure_policy: { throttle_threshold: 1 } }
      })
      const a = yield* connect()
      const changes = yield* collect(relay.changes)
      const b = yield* connect()
      a.send("1\n")
      yield* b.readLines(1)
      yield* TestClock.adjust(200)
      b.endStream()
      yield* b.until((self) => self.isClosed)
      yield* stop
      assert.deepStrictEqual(
        (yield* Fiber.join(changes)).map((change) => [
          change._tag,
          change.client.address,
          change._tag === "StateChanged"
            ? `${change.from} > ${change.client.state}`
            : change._tag === "Disconnected"
              ? change.reason
              : ""
        ]),
        [
          ["Connected", a.address, ""],
          ["Connected", b.address, ""],
          ["StateChanged", a.address, "active > throttled"],
          ["StateChanged", a.address, "throttled > active"],
          ["Disconnected", b.address, "closed by the client"],
          ["Disconnected", a.address, "server shutdown"]
        ]
      )
    })
  )
})

describe("RelayServer.messages", () => {
  it.effect("are those relayed, whoever sent them, and no others", () =>
    Effect.gen(function* () {
      const { connect, relay, stop } = yield* start({ hyper_parameters: { rate_limit_msgs_per_minute: 2 } })
      const [a, b] = [yield* connect(), yield* connect()]
      const messages = yield* collect(relay.messages)
      a.send("wörld\n\nover the limit\n")
      yield* b.readLines(2)
      yield* relay.broadcast("from the host", { from: "host" })
      yield* stop
      assert.deepStrictEqual(yield* Fiber.join(messages), [
        { address: a.address, content: "wörld", missed: 0 },
        { address: a.address, content: "", missed: 0 },
        { address: "host", content: "from the host", missed: 0 }
      ])
    })
  )

  it.effect("of a consumer that does not take them are lost and counted, and the relay goes on", () =>
    Effect.gen(function* () {
      const { connect, relay, stop } = yield* start({ hyper_parameters: { rate_limit_msgs_per_minute: 100_000 } })
      const [a, b] = [yield* connect(), yield* connect()]
      const first = yield* relay.messages.pipe(
        Stream.mapEffect((message) => Effect.as(Effect.sleep("1 hour"), message)),
        Stream.runCollect,
        Effect.forkChild({ startImmediately: true })
      )
      for (let i = 0; i < 30; i++) {
        a.send("x\n".repeat(100))
        yield* b.readLines((i + 1) * 100)
      }
      // Also while it takes nothing.
      assert.isAtLeast((yield* relay.stats).missedByConsumers, 3000 - 2 * 1024)
      yield* stop
      while (first.pollUnsafe() === undefined) yield* TestClock.adjust("10 hours")
      const taken = Array.from(yield* Fiber.join(first))
      const lost = taken.reduce((sum, { missed }) => sum + missed, 0)
      assert.isAbove(lost, 0)
      assert.strictEqual(taken.length + lost, 3000)
      assert.strictEqual((yield* relay.stats).missedByConsumers, lost)
    })
  )
})

describe("RelayServer.events", () => {
  it.effect("are changes and messages, in order", () =>
    Effect.gen(function* () {
      const { connect, relay, stop } = yield* start()
      const events = yield* collect(relay.events)
      const [a, b] = [yield* connect(), yield* connect()]
      a.send("hello\n")
      yield* b.readLines(1)
      a.reset("ECONNRESET")
      yield* stop
      assert.deepStrictEqual(
        (yield* Fiber.join(events)).map((event) => (event._tag === "Relayed" ? event.content : event._tag)),
        ["Connected", "Connected", "hello", "Disconnected", "Disconnected"]
      )
    })
  )
})

describe("RelayServer.broadcast", () => {
  it.effect("reaches everybody, under the name given or the server's own, and the log", () =>
    Effect.gen(function* () {
      const { connect, log, relay } = yield* start({ port: 7000 })
      const [a, b] = [yield* connect(), yield* connect()]
      a.send("before\n")
      yield* settled(a)
      yield* relay.broadcast("two\nlines", { from: 'the "host"' })
      yield* relay.broadcast("")
      const expected = [envelope('the "host"', "two\nlines"), envelope("127.0.0.1:7000", "")]
      assert.deepStrictEqual(yield* a.readLines(2), expected)
      assert.deepStrictEqual(yield* b.readLines(3), [envelope(a.address, "before"), ...expected])
      assert.include(log, "INFO From 127.0.0.1:7000: ")
    })
  )

  it.effect("refuses what no client may send either, and says so", () =>
    Effect.gen(function* () {
      const { connect, relay } = yield* start({ hyper_parameters: { max_line_bytes: 256 } })
      const a = yield* connect()
      const rejected = (effect: Effect.Effect<void, ClientNotFound | MessageRejected>) =>
        Effect.flip(Effect.catchTag(effect, "ClientNotFound", Effect.die))
      const tooLong = yield* rejected(relay.broadcast("x".repeat(250)))
      assert.strictEqual(tooLong.reason, "too long")
      assert.strictEqual(tooLong.message, "the message has 250 bytes; its envelope may have 256 (max_line_bytes)")
      assert.strictEqual((yield* rejected(relay.broadcast("\ud800"))).reason, "not Unicode")
      yield* TestClock.adjust(0)
      assert.strictEqual(a.received, "")
    })
  )

  it.effect("reaches one client, or some, in order with what is for all", () =>
    Effect.gen(function* () {
      const { connect, relay } = yield* start()
      const [a, b, c] = [yield* connect(), yield* connect(), yield* connect()]
      const messages = yield* collect(Stream.take(relay.messages, 5))
      yield* relay.broadcast("1", { from: "bot" })
      yield* relay.broadcast("2", { from: "bot", to: a.address })
      yield* relay.broadcast("3", { from: "bot" })
      yield* relay.broadcast("4", { from: "bot", to: [b.address, a.address, a.address] })
      yield* relay.broadcast("5", { from: "bot" })
      const from = (...contents: ReadonlyArray<string>) => contents.map((content) => envelope("bot", content))
      assert.deepStrictEqual(yield* a.readLines(5), from("1", "2", "3", "4", "5"))
      assert.deepStrictEqual(yield* b.readLines(4), from("1", "3", "4", "5"))
      assert.deepStrictEqual(yield* c.readLines(3), from("1", "3", "5"))
      assert.deepStrictEqual(
        Array.from(yield* Fiber.join(messages)).map(({ to }) => to),
        [undefined, [a.address], undefined, [b.address, a.address], undefined]
      )
    })
  )

  it.effect("to clients of whom one has gone reaches the others, and names that one", () =>
    Effect.gen(function* () {
      const { connect, relay } = yield* start()
      const [a, b] = [yield* connect(), yield* connect()]
      const gone = yield* Effect.flip(relay.broadcast("hello", { from: "bot", to: ["10.0.0.1:1", a.address] }))
      assert.instanceOf(gone, ClientNotFound)
      assert.strictEqual(gone.address, "10.0.0.1:1")
      assert.deepStrictEqual(yield* a.readLines(1), [envelope("bot", "hello")])
      yield* relay.broadcast("nobody", { to: [] })
      assert.strictEqual(b.received, "")
      assert.strictEqual((yield* relay.stats).linesRelayed, 1)
    })
  )

  it.effect("waits while a slow reader holds up the room", () =>
    Effect.gen(function* () {
      const { connect, relay } = yield* start({
        hyper_parameters: { slow_consumer: { soft_limit_bytes: 65_536, hard_limit_bytes: 1_000_000 } }
      })
      const a = yield* connect()
      a.stopReading()
      yield* relay.broadcast("x".repeat(60_000))
      yield* relay.broadcast("x".repeat(60_000))
      yield* TestClock.adjust(0)
      const third = yield* Effect.forkChild(relay.broadcast("third"), { startImmediately: true })
      yield* TestClock.adjust(50)
      assert.isUndefined(third.pollUnsafe())
      a.resumeReading()
      yield* Fiber.join(third)
      assert.strictEqual((yield* a.readLines(3)).at(-1), envelope("127.0.0.1:8888", "third"))
    })
  )
})

describe("RelayServer.send", () => {
  it.effect("brings a notice to one client", () =>
    Effect.gen(function* () {
      const { connect, relay } = yield* start()
      const [a, b] = [yield* connect(), yield* connect()]
      yield* relay.send(a.address, "Maintenance at\n noon.")
      yield* relay.send(a.address, "Warning: Soon.\n")
      assert.deepStrictEqual(yield* a.readLines(2), ["Warning: Maintenance at noon.", "Warning: Soon."])
      assert.strictEqual(b.received, "")
    })
  )

  it.effect("says when it cannot", () =>
    Effect.gen(function* () {
      const { connect, relay } = yield* start()
      const a = yield* connect()
      const failure = (effect: Effect.Effect<void, ClientNotFound | MessageRejected>) =>
        Effect.map(Effect.flip(effect), ({ message }) => message)
      assert.strictEqual(
        yield* failure(relay.send("10.9.9.9:1", "hello")),
        'no client "10.9.9.9:1" is connected; expected the ip:port of one that is'
      )
      assert.match(yield* failure(relay.send(a.address, "x".repeat(70_000))), /70010 bytes; expected 65536 at most/)
      a.stopReading()
      yield* relay.send(a.address, "x".repeat(60_000))
      yield* relay.send(a.address, "x".repeat(60_000))
      assert.match(yield* failure(relay.send(a.address, "x".repeat(60_000))), /has not read/)
      a.resumeReading()
      assert.strictEqual((yield* relay.stats).incidents["notices dropped"], 1)
    })
  )
})

describe("RelayServer.disconnect", () => {
  it.effect("ends a client at once, after what is due to it", () =>
    Effect.gen(function* () {
      const { connect, log, relay } = yield* start()
      const [a, b] = [yield* connect(), yield* connect()]
      b.send("first\n")
      yield* settled(b)
      yield* relay.disconnect(a.address)
      assert.strictEqual((yield* relay.clients).length, 1)
      yield* a.until((self) => self.isClosed)
      assert.deepStrictEqual(a.lines, [
        envelope(b.address, "first"),
        "Warning: You have been disconnected by the server."
      ])
      assert.include(log, `INFO ${a.address} disconnected: disconnected by the application (1 client)`)
      assert.strictEqual((yield* Effect.flip(relay.disconnect(a.address)))._tag, "ClientNotFound")
    })
  )

  it.effect("says goodbye as the profile does, unless it is told how", () =>
    Effect.gen(function* () {
      const { connect, relay } = yield* start({ version: "python" })
      const a = yield* connect()
      yield* relay.disconnect(a.address)
      yield* a.until((self) => self.isClosed)
      assert.deepStrictEqual(a.lines, ["Warning: Server disconnected."])
    })
  )

  it.effect("takes no notice that could not be sent", () =>
    Effect.gen(function* () {
      const { connect, relay } = yield* start({ hyper_parameters: { max_line_bytes: 256 } })
      const a = yield* connect()
      const error = yield* Effect.flip(relay.disconnect(a.address, { notice: "x".repeat(256) }))
      assert.strictEqual(error.message, "the notice has 266 bytes; expected 256 at most (max_line_bytes)")
      assert.isFalse(a.isClosed)
    })
  )

  it.effect("quarantines if told to", () =>
    Effect.gen(function* () {
      const { connect, relay } = yield* start()
      const a = yield* connect({ ip: "10.0.0.1" })
      yield* relay.disconnect(a.address, { notice: "Out.", quarantine: true })
      yield* a.until((self) => self.isClosed)
      assert.isTrue((yield* connect({ ip: "10.0.0.1" })).isEnded)
      assert.strictEqual((yield* relay.quarantine.list).length, 1)
      assert.deepStrictEqual(a.lines, ["Warning: Out."])
    })
  )

  it.effect.each([
    ["this profile has no quarantine", { version: "python" }],
    ["quarantine_cooldown_secs is 0", { hyper_parameters: { quarantine_cooldown_secs: 0 } }]
  ] as const)("does nothing where nobody can be quarantined as asked: %s", ([why, options]) =>
    Effect.gen(function* () {
      const { connect, relay } = yield* start(options)
      const a = yield* connect({ ip: "10.0.0.1" })
      const error = yield* Effect.flip(relay.disconnect(a.address, { notice: "Out.", quarantine: true }))
      assert.strictEqual(error.message, `nobody can be quarantined: ${why}`)
      assert.strictEqual((yield* Effect.flip(relay.quarantine.add("10.0.0.1"))).message, error.message)
      const b = yield* connect()
      b.send("still there?\n")
      assert.deepStrictEqual(yield* a.readLines(1), [envelope(b.address, "still there?")])
      yield* relay.disconnect(a.address, { notice: "Out." })
      yield* a.until((self) => self.isClosed)
    })
  )
})

describe("RelayServer.quarantine", () => {
  it.effect("is listed, added to and lifted", () =>
    Effect.gen(function* () {
      const { connect, log, relay } = yield* start({ hyper_parameters: { quarantine_cooldown_secs: 60 } })
      yield* relay.quarantine.add("10.0.0.1")
      yield* TestClock.adjust("10 seconds")
      yield* relay.quarantine.add("::1")
      assert.deepStrictEqual(yield* relay.quarantine.list, [
        { key: "10.0.0.1", remainingMillis: 50_000 },
        { key: "::1", remainingMillis: 60_000 }
      ])
      assert.deepStrictEqual((yield* connect({ ip: "10.0.0.1" })).lines, [
        "Warning: You are quarantined. Please try again in 50 seconds."
      ])
      assert.include(log, "INFO ::1 quarantined by the application")
      assert.isTrue(yield* relay.quarantine.lift("10.0.0.1"))
      assert.isFalse(yield* relay.quarantine.lift("10.0.0.1"))
      assert.isFalse((yield* connect({ ip: "10.0.0.1" })).isEnded)
      yield* TestClock.adjust("60 seconds")
      assert.deepStrictEqual(yield* relay.quarantine.list, [])
      assert.isFalse(yield* relay.quarantine.lift("::1"))
    })
  )

  it.effect.each([
    ["::ffff:10.0.0.1", "10.0.0.1"],
    ["2001:DB8::1", "2001:db8::1"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["FE80::1%eth0", "fe80::1%eth0"]
  ])("knows %s as %s", ([written, ip]) =>
    Effect.gen(function* () {
      const { connect, relay } = yield* start()
      yield* relay.quarantine.add(written)
      assert.isTrue((yield* connect({ ip })).isEnded)
      assert.isTrue(yield* relay.quarantine.lift(written))
      assert.isFalse((yield* connect({ ip })).isEnded)
    })
  )

  it.effect("takes no key that could never match", () =>
    Effect.gen(function* () {
      const { relay } = yield* start()
      const wrong = yield* Effect.flip(relay.quarantine.add("10.0.0.1:5000"))
      assert.strictEqual(
        wrong.message,
        '"10.0.0.1:5000" cannot be quarantined: expected an IP address (quarantine_scope is "ip")'
      )
      for (const key of ["::1%lo", "2001:db8::1%eth0", "::ffff:10.0.0.1%eth0"]) {
        assert.match(
          (yield* Effect.flip(relay.quarantine.add(key))).message,
          /expected an IP address, with a zone \(%\) only if it is link-local/
        )
      }
      assert.deepStrictEqual(yield* relay.quarantine.list, [])
      const python = yield* start({ version: "python" })
      assert.strictEqual((yield* Effect.flip(python.relay.quarantine.add("10.0.0.1"))).reason, "disabled")
      const byAddress = yield* start({ hyper_parameters: { quarantine_scope: "address" } })
      for (const key of ["10.0.0.1", "rubbish", "rubbish:1", "10.0.0.1:99999"]) {
        assert.match((yield* Effect.flip(byAddress.relay.quarantine.add(key))).message, /expected ip:port/)
      }
      yield* byAddress.relay.quarantine.add("10.0.0.1:5000")
    })
  )
})

describe("RelayServer.stats", () => {
  it.effect("count everything since the start, also of those who have left", () =>
    Effect.gen(function* () {
      const { connect, relay } = yield* start({ hyper_parameters: { rate_limit_msgs_per_minute: 2, max_clients: 2 } })
      const [a, b] = [yield* connect(), yield* connect()]
      yield* connect()
      a.send("one\ntwo\nthree\n")
      yield* b.readLines(2)
      b.send("wörld\n")
      b.send(new Uint8Array([255, 10]))
      yield* b.until((self) => self.received.includes("UTF-8"))
      a.endStream()
      yield* a.until((self) => self.isClosed)
      yield* relay.broadcast("bye")
      yield* b.readLines(4)
      const { bytesOut, fanOut, latencyMicros, ...stats } = yield* relay.stats
      assert.deepInclude(fanOut, { count: 4, sum: 4, min: 1, max: 1 })
      assert.strictEqual(latencyMicros.count, 4)
      assert.strictEqual(bytesOut, Buffer.byteLength(a.received) + Buffer.byteLength(b.received))
      assert.deepStrictEqual(stats, {
        startedAt: new Date(0),
        clients: 1,
        connections: 2,
        linesIn: 5,
        linesRelayed: 4,
        linesOut: 4,
        bytesIn: 23,
        bytesWaiting: 0,
        bytesWaitingMax: 0,
        incidents: { ...noTotals(), "rate limited": 1, "not UTF-8": 1, "server full": 1 },
        departures: { ...noDisconnects(), left: 1 },
        quarantined: 0,
        missedByConsumers: 0
      })
    })
  )
})

class One extends Context.Service<One, RelayServer["Service"]>()("test/One") {}
class Other extends Context.Service<Other, RelayServer["Service"]>()("test/Other") {}

describe("RelayServer.stats of clients that have left", () => {
  it.effect("have its backlog and its farewell in them", () =>
    Effect.gen(function* () {
      const { connect, relay } = yield* start()
      const a = yield* connect()
      a.stopReading()
      yield* relay.broadcast("one")
      yield* relay.broadcast("two")
      yield* TestClock.adjust(0)
      yield* relay.broadcast("three")
      yield* TestClock.adjust(0)
      yield* relay.disconnect(a.address)
      a.resumeReading()
      yield* a.until((self) => self.isClosed)
      yield* TestClock.adjust(0)
      const { bytesOut, clients, linesOut } = yield* relay.stats
      assert.deepStrictEqual({ bytesOut, clients, linesOut }, { bytesOut: a.received.length, clients: 0, linesOut: 3 })
    })
  )
})

describe("the shutdown of a server", () => {
  it.effect(
    "ends clients, then the refusals that are not logged yet, then what operators see, and logs it in this order",
    () =>
      Effect.gen(function* () {
        const states: Array<string> = []
        const admin = Layer.succeed(AdminServer, {
          serve: ({ clients, state }) =>
            Effect.as(
              Effect.addFinalizer(() =>
                Effect.flatMap(Effect.all([state, clients]), ([state, clients]) => {
                  states.push(`${state}, ${clients.length} clients`)
                  return Effect.logInfo("admin ends")
                })
              ),
              undefined
            )
        })
        const { connect, log, stop } = yield* start({ hyper_parameters: { max_clients: 1 } }, admin)
        const a = yield* connect({ ip: "10.0.0.1" })
        for (let i = 0; i < 3; i++) yield* connect({ ip: "10.0.0.2" })
        log.length = 0
        yield* stop
        assert.deepStrictEqual(log, [
          "INFO shutting down, clients connected: 1",
          `INFO ${a.address} disconnected: server shutdown (0 clients)`,
          "WARNING connections refused: server full 2 times; last from 10.0.0.2",
          "INFO admin ends",
          "INFO shutdown complete"
        ])
        assert.deepStrictEqual(states, ["stopping, 0 clients"])
      })
  )
})

describe("the shutdown of a server that clients are leaving", () => {
  it.effect("gives those that do not read no more than the grace period", () =>
    Effect.gen(function* () {
      const { connect, relay, stop } = yield* start({ hyper_parameters: { shutdown_grace_ms: 2000 } })
      const [a, b] = [yield* connect(), yield* connect()]
      a.stopReading()
      b.send("for a\n")
      yield* a.until((self) => self.unsentBytes() > 0)
      a.endStream()
      b.reset("ECONNRESET")
      yield* TestClock.adjust(0)
      assert.strictEqual((yield* relay.clients).length, 0)
      const stopping = yield* Effect.forkChild(stop, { startImmediately: true })
      yield* TestClock.adjust(1999)
      assert.isFalse(a.isClosed)
      yield* TestClock.adjust(1)
      assert.isTrue(a.isClosed)
      yield* Fiber.join(stopping)
    })
  )
})

describe("two servers in one program", () => {
  it.live("share nothing, also in one graph of Layers", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* One, yield* Other]
      assert.notStrictEqual(one.address.port, other.address.port)
      const a = yield* TcpClient.connect(one.address.port)
      const b = yield* TcpClient.connect(other.address.port)
      const c = yield* TcpClient.connect(other.address.port)
      yield* TcpClient.settled(b, c)
      yield* one.broadcast("only here", { from: "one" })
      yield* other.broadcast("only there", { from: "other" })
      assert.strictEqual(yield* a.line, envelope("one", "only here"))
      assert.strictEqual(yield* b.line, envelope("other", "only there"))
      assert.deepStrictEqual([(yield* one.clients).length, (yield* other.clients).length], [1, 2])
      // The profile of each is its own.
      yield* one.quarantine.add("10.0.0.1")
      assert.strictEqual((yield* Effect.flip(other.quarantine.add("10.0.0.1"))).reason, "disabled")
    }).pipe(
      Effect.provide(
        Layer.mergeAll(
          Layer.effect(One, RelayServer).pipe(Layer.provide(RelayServer.layer({ port: 0 }))),
          Layer.effect(Other, RelayServer).pipe(Layer.provide(RelayServer.layer({ port: 0, version: "python" })))
        ).pipe(Layer.provide(RelayLogger.layerSilent))
      )
    )
  )
})
