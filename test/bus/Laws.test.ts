/** What holds for a room over several processes, whatever carries it. */
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { setImmediate as endOfTurn } from "node:timers/promises"
import * as MessageFilter from "../../src/session/MessageFilter.ts"
import { RelayServer } from "../../src/RelayServer.ts"
import type { Options } from "../../src/config/ServerConfig.ts"
import type { MemoryConnection } from "../../src/testing/MemoryConnection.ts"
import { MemoryNetwork } from "../../src/testing/MemoryListener.ts"
import { TestBus } from "../../src/testing/TestBus.ts"
import * as TestRelay from "../../src/testing/TestRelay.ts"
import { Bus } from "../../src/room/Bus.ts"
import * as arbitraries from "../support/Arbitraries.ts"
import * as BusLaws from "./BusLaws.ts"
import { runs } from "../support/runs.ts"

const UNPROTECTED: Options = { version: "python" }

const start = Effect.fnUntraced(function* (
  bus: TestBus,
  name: string,
  options: Options = UNPROTECTED,
  messageFilter?: MessageFilter.Open
) {
  const context = yield* Layer.build(TestRelay.layer(options, { bus: bus.layer(name), messageFilter }))
  const { connect } = yield* Effect.provideContext(MemoryNetwork, context)
  return { connect, relay: yield* Effect.provideContext(RelayServer, context) }
})

const turn = Effect.promise(() => endOfTurn())

interface Envelope {
  readonly remote_addr: string
  readonly content: string
}

const envelopes = (connection: MemoryConnection) => connection.lines.map((line) => JSON.parse(line) as Envelope)

describe("a room over several processes", () => {
  const step = Arbitrary.all({
    who: arbitraries.int(0, 5),
    what: arbitraries.int(0, 11),
    count: arbitraries.int(1, 5),
    way: arbitraries.int(0, 5)
  })

  it.effect.prop(
    "brings every line to every other client of every process, once, in its sender's order, and not back",
    { steps: Arbitrary.array(step, { minLength: 1, maxLength: 60 }) },
    ({ steps }) =>
      Effect.gen(function* () {
        const bus = new TestBus({ byHand: true })
        const relays = yield* Effect.forEach(["a", "b", "c"], (name) => start(bus, name))
        const clients = yield* Effect.forEach([0, 1, 2, 0, 1, 2], (relay, i) =>
          // Addresses have to differ, to tell senders apart.
          Effect.map(relays[relay]!.connect({ ip: `10.0.0.${i}` }), (connection) => ({ connection, said: 0 }))
        )
        for (const { count, way, what, who } of steps) {
          const client = clients[who]!
          if (what <= 5) {
            // Some lines go along the copying way of a batch, some are too large for it.
            const padding = what <= 2 ? ".".repeat(40_000) : ""
            const lines = Array.from({ length: count }, () => `${client.said++}${padding}\n`)
            client.connection.send(lines.join(""))
          } else if (what <= 8) for (let i = 0; i < count; i++) bus.deliver(way)
          else yield* turn
        }
        for (let quiet = 0; quiet < 3; quiet = bus.channels === 0 ? quiet + 1 : 0) {
          bus.deliverAll()
          yield* turn
        }
        for (const { connection } of clients) {
          const got = envelopes(connection)
          for (const other of clients) {
            const numbers = got
              .filter(({ remote_addr }) => remote_addr === other.connection.address)
              .map(({ content }) => Number.parseInt(content))
            const expected = other.connection === connection ? 0 : other.said
            assert.deepStrictEqual(
              numbers,
              Array.from({ length: expected }, (_, i) => i)
            )
          }
        }
      }).pipe(Effect.scoped),
    runs(20)
  )

  it.effect("hands lines of other processes to a client with one write a turn, together with those of its own", () =>
    Effect.gen(function* () {
      const bus = new TestBus({ byHand: true })
      const a = yield* start(bus, "a")
      const b = yield* start(bus, "b")
      const reader = yield* a.connect()
      const near = yield* a.connect()
      const far = yield* b.connect()
      far.send("one\ntwo\n")
      yield* far.until((self) => self.isAwaited)
      yield* turn
      bus.deliverAll()
      near.send("three\n")
      assert.strictEqual(reader.writes, 0)
      yield* reader.readLines(3)
      assert.deepStrictEqual(
        envelopes(reader).map(({ content }) => content),
        ["one", "two", "three"]
      )
      assert.strictEqual(reader.writes, 1)
    })
  )

  it.effect("goes on within each process while the bus is down", () =>
    Effect.gen(function* () {
      const bus = new TestBus()
      const a = yield* start(bus, "a")
      const b = yield* start(bus, "b")
      const sender = yield* a.connect({ ip: "10.0.0.1" })
      const near = yield* a.connect({ ip: "10.0.0.2" })
      const far = yield* b.connect({ ip: "10.0.0.3" })
      bus.goDown()
      assert.strictEqual((yield* a.relay.cluster.stats).state, "down")
      sender.send("lost\n")
      yield* near.readLines(1)
      bus.goUp()
      sender.send("there\n")
      yield* far.readLines(1)
      assert.deepStrictEqual(
        envelopes(far).map(({ content }) => content),
        ["there"]
      )
      assert.strictEqual(near.lines.length, 2)
    })
  )

  it.effect("makes senders wait for a slow bus as for a slow client, and no longer than the grace", () =>
    Effect.gen(function* () {
      const bus = new TestBus()
      const options: Options = { ...UNPROTECTED, hyper_parameters: { slow_consumer: { stall_grace_ms: 100 } } }
      const a = yield* start(bus, "a", options)
      const sender = yield* a.connect()
      const near = yield* a.connect()
      yield* turn
      bus.goSlow(true)
      sender.send("one\n")
      for (let i = 0; i < 5; i++) yield* turn
      assert.deepStrictEqual(near.lines, [])
      yield* TestClock.adjust(100)
      yield* near.readLines(1)
      bus.goSlow(false)
      bus.goSlow(true)
      sender.send("two\n")
      for (let i = 0; i < 5; i++) yield* turn
      assert.strictEqual(near.lines.length, 1)
      bus.goSlow(false)
      yield* near.readLines(2)
    })
  )

  it.effect("carries what the host program says", () =>
    Effect.gen(function* () {
      const bus = new TestBus()
      const a = yield* start(bus, "a")
      const b = yield* start(bus, "b")
      const far = yield* b.connect()
      yield* a.relay.broadcast("hello", { from: "host" })
      assert.deepStrictEqual(yield* far.readLines(1), [JSON.stringify({ remote_addr: "host", content: "hello" })])
    })
  )

  it.effect("does not carry what is for some clients only: those are of its own process", () =>
    Effect.gen(function* () {
      const bus = new TestBus()
      const filter = MessageFilter.gate((line) =>
        Effect.succeed(MessageFilter.relay(line === "secret" ? { to: () => true } : {}))
      )
      const a = yield* start(bus, "a", UNPROTECTED, filter)
      const b = yield* start(bus, "b", UNPROTECTED, filter)
      const sender = yield* a.connect()
      const near = yield* a.connect()
      const far = yield* b.connect()
      sender.send("secret\npublic\n")
      yield* far.readLines(1)
      assert.deepStrictEqual(
        [far, near].map((client) => envelopes(client).map(({ content }) => content)),
        [["public"], ["secret", "public"]]
      )
    })
  )

  it.effect("ends for a process that ends, after what its clients had said", () =>
    Effect.gen(function* () {
      const bus = new TestBus()
      const b = yield* start(bus, "b")
      const far = yield* b.connect()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const a = yield* start(bus, "a")
          const sender = yield* a.connect()
          sender.send("last words\n")
          yield* sender.until((self) => self.isAwaited)
        })
      )
      yield* far.readLines(1)
      assert.deepStrictEqual(yield* b.relay.cluster.peers, [])
    })
  )
})

describe("TestBus", () => {
  BusLaws.laws(
    Effect.sync(() => {
      const bus = new TestBus()
      const connect = (name: string) => Effect.map(Layer.build(bus.layer(name)), Context.get(Bus))
      return { connect }
    }),
    false
  )
})
