import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { setImmediate as endOfTurn } from "node:timers/promises"
import * as LateClock from "../support/LateClock.ts"
import { RelayLogger } from "../../src/logging/RelayLogger.ts"
import { Bus } from "../../src/room/Bus.ts"
import { Quarantine } from "../../src/limits/Quarantine.ts"
import { RelayServer } from "../../src/RelayServer.ts"
import type { Options, ServerConfig } from "../../src/config/ServerConfig.ts"
import { MemoryNetwork } from "../../src/testing/MemoryListener.ts"
import { TestBus } from "../../src/testing/TestBus.ts"
import * as TestRelay from "../../src/testing/TestRelay.ts"

const start = Effect.fnUntraced(function* (
  bus: TestBus,
  name: string,
  options: Options = {},
  quarantine?: Layer.Layer<Quarantine, never, ServerConfig>
) {
  const log: Array<string> = []
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
  const context = yield* Scope.provide(
    Layer.build(
      TestRelay.layer(options, { bus: bus.layer(name), quarantine }).pipe(Layer.provide(RelayLogger.layerTest(log)))
    ),
    scope
  )
  const { connect } = yield* Effect.provideContext(MemoryNetwork, context)
  const relay = yield* Effect.provideContext(RelayServer, context)
  return { connect, relay, log, stop: Scope.close(scope, Exit.void) }
})

/** Waits until everything under way has arrived. */
const arrived = Effect.promise(async () => {
  for (let i = 0; i < 5; i++) await endOfTurn()
})

const names = (peers: ReadonlyArray<{ readonly name: string }>) => peers.map(({ name }) => name).toSorted()

/** A process that only listens and tells what it is told to. */
const stranger = Effect.fnUntraced(function* (bus: TestBus, name: string) {
  const service = yield* Effect.provideContext(Bus, yield* Layer.build(bus.layer(name)))
  const heard: Array<string> = []
  yield* service.listen({ onMessage: (message) => heard.push(message), onUp: () => {} })
  return { heard, tell: (message: unknown, to?: string) => service.tellUnsafe(JSON.stringify(message), to) }
})

/** The processes `a` and `b` of one room. */
const pair = Effect.gen(function* () {
  const bus = new TestBus()
  return { bus, a: yield* start(bus, "a"), b: yield* start(bus, "b") }
})

/** The process `a`, and a stranger `x`, which tells it by `sign` that it is there. */
const withStranger = Effect.gen(function* () {
  const bus = new TestBus()
  const a = yield* start(bus, "a")
  const x = yield* stranger(bus, "x")
  const sign = (name = "x") =>
    Effect.andThen(
      Effect.sync(() => x.tell({ _tag: "Alive", name, clients: 0 })),
      arrived
    )
  return { a, ...x, sign }
})

describe("quarantine", () => {
  it.effect("of one process keeps a client out of all, for the time that is left", () =>
    Effect.gen(function* () {
      const { a, b, bus } = yield* pair
      const culprit = yield* a.connect({ ip: "10.0.0.9" })
      yield* a.relay.disconnect(culprit.address, { quarantine: true })
      yield* arrived
      const refused = yield* b.connect({ ip: "10.0.0.9" })
      assert.match(refused.received, /^Warning: .*300 seconds/)
      assert.deepStrictEqual(yield* b.relay.quarantine.list, [{ key: "10.0.0.9", remainingMillis: 300_000 }])

      yield* TestClock.adjust("100 seconds")
      const c = yield* start(bus, "c")
      yield* arrived
      assert.deepStrictEqual(yield* c.relay.quarantine.list, [{ key: "10.0.0.9", remainingMillis: 200_000 }])
    })
  )

  it.effect("that an application adds or lifts is added or lifted in all", () =>
    Effect.gen(function* () {
      const { a, b } = yield* pair
      yield* a.relay.quarantine.add("10.0.0.1")
      yield* arrived
      assert.isTrue(yield* b.relay.quarantine.lift("10.0.0.1"))
      yield* arrived
      assert.deepStrictEqual(yield* a.relay.quarantine.list, [])
    })
  )

  it.effect("that was missed while the bus was down is known once it is up, and never shortens one", () =>
    Effect.gen(function* () {
      const { a, b, bus } = yield* pair
      yield* b.relay.quarantine.add("10.0.0.1")
      yield* arrived
      bus.goDown()
      yield* TestClock.adjust("10 seconds")
      yield* a.relay.quarantine.add("10.0.0.1")
      yield* a.relay.quarantine.add("10.0.0.2")
      bus.goUp()
      yield* arrived
      const expected = [
        { key: "10.0.0.1", remainingMillis: 300_000 },
        { key: "10.0.0.2", remainingMillis: 300_000 }
      ]
      assert.deepStrictEqual(yield* a.relay.quarantine.list, expected)
      assert.deepStrictEqual(yield* b.relay.quarantine.list, expected)
    })
  )

  it.effect("of a process that was cut off is known to the others once it is back", () =>
    Effect.gen(function* () {
      const { a, b, bus } = yield* pair
      bus.goDown("a")
      yield* a.relay.quarantine.add("10.0.0.1")
      bus.goUp("a")
      yield* arrived
      assert.deepStrictEqual(yield* b.relay.quarantine.list, [{ key: "10.0.0.1", remainingMillis: 300_000 }])
    })
  )

  it.effect("is not renewed by a message that has been on its way for up to a second", () =>
    Effect.gen(function* () {
      const { a, tell } = yield* withStranger
      const remaining = Effect.map(a.relay.quarantine.list, ([entry]) => entry?.remainingMillis)
      yield* a.relay.quarantine.add("10.0.0.1")
      for (const expected of [299_500, 299_000, 300_000]) {
        yield* TestClock.adjust(expected === 300_000 ? 1 : 500)
        tell({ _tag: "Quarantined", entries: [["10.0.0.1", 300_000]] })
        yield* arrived
        assert.strictEqual(yield* remaining, expected)
      }
      tell({ _tag: "Quarantined", entries: [["10.0.0.2", 500]] })
      yield* arrived
      assert.lengthOf(yield* a.relay.quarantine.list, 2)
    })
  )

  it.effect("that another process tells of costs the same however long the list is", () =>
    Effect.gen(function* () {
      const bus = new TestBus()
      let lists = 0
      const counted = Layer.effect(
        Quarantine,
        Effect.map(Quarantine, (quarantine) => ({
          ...quarantine,
          listUnsafe: () => {
            lists++
            return quarantine.listUnsafe()
          }
        }))
      ).pipe(Layer.provide(Quarantine.layer))
      const a = yield* start(bus, "a")
      const b = yield* start(bus, "b", {}, counted)
      yield* arrived
      lists = 0
      yield* a.relay.quarantine.add("10.0.0.1")
      yield* arrived
      assert.strictEqual(lists, 0)
      assert.strictEqual((yield* b.relay.quarantine.list).length, 1)
    })
  )

  it.effect("of other processes is ignored in a profile without quarantine", () =>
    Effect.gen(function* () {
      const bus = new TestBus()
      const a = yield* start(bus, "a")
      const b = yield* start(bus, "b", { version: "python" })
      yield* a.relay.quarantine.add("10.0.0.1")
      yield* arrived
      assert.deepStrictEqual(yield* b.relay.quarantine.list, [])
      assert.strictEqual((yield* b.connect({ ip: "10.0.0.1" })).received, "")
    })
  )

  it.effect("of many is told in several messages, none of which is longer than the bus takes", () =>
    Effect.gen(function* () {
      const bus = new TestBus({ maxMessageBytes: 8192 })
      const a = yield* start(bus, "a")
      const keys = Array.from({ length: 1000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`)
      for (const key of keys) yield* a.relay.quarantine.add(key)
      const { heard, tell } = yield* stranger(bus, "x")
      tell({ _tag: "Hello", name: "x", clients: 0 })
      yield* arrived
      const told = heard.map((message) => JSON.parse(message)).filter(({ _tag }) => _tag === "Quarantined")
      assert.deepStrictEqual(
        told.flatMap(({ entries }) => entries.map(([key]: [string]) => key)),
        keys
      )
      assert.isAbove(told.length, 1)
      assert.isBelow(told.length, 10)
      for (const message of heard) assert.isAtMost(Buffer.byteLength(message), 8192)
    })
  )
})

describe("peers", () => {
  it.effect("know each other, with their clients, at the latest after a second", () =>
    Effect.gen(function* () {
      const bus = new TestBus()
      const [a, b, c] = yield* Effect.forEach(["a", "b", "c"], (name) => start(bus, name))
      yield* arrived
      assert.deepStrictEqual(names(yield* a!.relay.cluster.peers), ["b", "c"])
      assert.deepStrictEqual(names(yield* c!.relay.cluster.peers), ["a", "b"])
      yield* b!.connect()
      yield* TestClock.adjust("1 second")
      yield* arrived
      assert.deepInclude(yield* a!.relay.cluster.peers, { id: "b", name: "b", clients: 1 })
      yield* b!.stop
      yield* arrived
      assert.deepStrictEqual(names(yield* a!.relay.cluster.peers), ["c"])
      assert.includeMembers(a!.log, [
        "INFO relay b is part of the room (1 other)",
        "INFO relay c is part of the room (2 others)",
        "INFO relay b has left the room (1 other)"
      ])
    })
  )

  it.effect("that are not heard for three seconds and a half are not counted any more", () =>
    Effect.gen(function* () {
      const { a, sign } = yield* withStranger
      yield* sign()
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(names(yield* a.relay.cluster.peers), ["x"])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(names(yield* a.relay.cluster.peers), [])
      assert.include(a.log, "INFO relay x is not heard any more (0 others)")
    })
  )

  it.effect("are not counted out for a time in which this process was stopped, but for a silence after it", () =>
    Effect.gen(function* () {
      const { stopped } = yield* LateClock.make(45_000)
      const { a, sign } = yield* Effect.provideService(withStranger, Clock.Clock, stopped)
      yield* sign()
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(names(yield* a.relay.cluster.peers), ["x"])
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(names(yield* a.relay.cluster.peers), [])
    })
  )

  it.effect("are 1024 at most: of more, who was heard longest ago is not counted any more", () =>
    Effect.gen(function* () {
      const bus = new TestBus()
      const a = yield* start(bus, "a")
      for (let i = 0; i <= 1024; i++) {
        const { tell } = yield* stranger(bus, `x${i}`)
        tell({ _tag: "Alive", name: `x${i}`, clients: 0 }, "a")
      }
      yield* arrived
      const there = names(yield* a.relay.cluster.peers)
      assert.strictEqual(there.length, 1024)
      assert.notInclude(there, "x0")
      assert.include(a.log, "INFO relay x0 is not heard any more (1024 others)")
    })
  )

  it.effect("that send messages of other kinds are heard all the same", () =>
    Effect.gen(function* () {
      const { a, sign, tell } = yield* withStranger
      for (const message of [
        null,
        "{",
        {},
        { _tag: "Future" },
        { _tag: "Alive" },
        { _tag: "Quarantined", entries: [1] }
      ]) {
        tell(message)
      }
      yield* sign()
      assert.deepStrictEqual(names(yield* a.relay.cluster.peers), ["x"])
    })
  )
})

describe("clients of the room", () => {
  it.effect("are those of all processes, each with its relay", () =>
    Effect.gen(function* () {
      const { a, b } = yield* pair
      yield* arrived
      const one = yield* a.connect({ ip: "10.0.0.1" })
      const two = yield* b.connect({ ip: "10.0.0.2", subject: "CN=two", transport: "websocket" })
      const { clients, omitted, silent } = yield* a.relay.cluster.clients
      assert.deepStrictEqual(
        clients.map(({ address, relay }) => [address, relay]),
        [
          [one.address, "a"],
          [two.address, "b"]
        ]
      )
      assert.strictEqual(clients[1]!.subject, "CN=two")
      assert.deepStrictEqual(clients[1], { ...(yield* b.relay.clients)[0]!, relay: "b" })
      assert.deepStrictEqual([silent, omitted], [[], 0])
    })
  )

  it.effect("of a process that does not answer are missed after a second, and it is named", () =>
    Effect.gen(function* () {
      const { a, heard, sign, tell } = yield* withStranger
      yield* a.connect()
      yield* sign("silent one")
      const asked = yield* Effect.forkChild(a.relay.cluster.clients, { startImmediately: true })
      yield* arrived
      yield* TestClock.adjust("1 second")
      const { clients, silent } = yield* Fiber.join(asked)
      assert.strictEqual(clients.length, 1)
      assert.deepStrictEqual(silent, ["silent one"])
      // An answer that comes too late is nobody's.
      const { request } = heard.map((message) => JSON.parse(message)).find(({ _tag }) => _tag === "WhoIsThere")
      tell({ _tag: "Clients", request, clients: [], omitted: 0 }, "a")
      yield* arrived
    })
  )

  it.effect("whose entry is longer than the bus takes are left out, and counted", () =>
    Effect.gen(function* () {
      const bus = new TestBus({ maxMessageBytes: 1000 })
      const a = yield* start(bus, "a")
      const b = yield* start(bus, "b")
      yield* arrived
      for (let i = 0; i < 10; i++) yield* b.connect({ ip: "10.0.0.1" })
      yield* b.connect({ ip: "10.0.0.1", subject: `CN=${"x".repeat(1000)}` })
      const { clients, omitted, silent } = yield* a.relay.cluster.clients
      assert.deepStrictEqual([clients.length, omitted, silent], [10, 1, []])
    })
  )

  it.effect("are the clients of this process alone without a bus", () =>
    Effect.gen(function* () {
      const { connect, relay } = yield* Effect.gen(function* () {
        const context = yield* Layer.build(TestRelay.layer())
        const { connect } = yield* Effect.provideContext(MemoryNetwork, context)
        return { connect, relay: yield* Effect.provideContext(RelayServer, context) }
      })
      yield* connect()
      assert.strictEqual((yield* relay.cluster.clients).clients.length, 1)
      assert.deepStrictEqual(yield* relay.cluster.peers, [])
      assert.strictEqual((yield* relay.cluster.stats).state, "none")
    })
  )
})
