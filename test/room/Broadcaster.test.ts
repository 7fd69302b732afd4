import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { Broadcaster } from "../../src/room/Broadcaster.ts"
import { ServerConfig } from "../../src/config/ServerConfig.ts"
import * as arbitraries from "../support/Arbitraries.ts"
import * as LateClock from "../support/LateClock.ts"
import { MemoryConnection } from "../../src/testing/MemoryConnection.ts"
import { runs } from "../support/runs.ts"

const GRACE_MILLIS = 100
const SOFT_LIMIT = 1000
const HARD_LIMIT = 10_000

const provided = (stall_grace_ms = GRACE_MILLIS, hard_limit_bytes = HARD_LIMIT) =>
  Effect.provide(
    Layer.provide(
      Broadcaster.layer,
      ServerConfig.layerTest({
        hyper_parameters: {
          slow_consumer: { soft_limit_bytes: SOFT_LIMIT, hard_limit_bytes, stall_grace_ms }
        }
      })
    )
  )

let ports = 0

const enter = Effect.map(Broadcaster, (broadcaster) => {
  const connection = new MemoryConnection(`10.0.0.1:${++ports}`)
  const events: Array<string> = []
  const member = broadcaster.memberUnsafe(connection, {
    onOverflow: () => events.push("overflow"),
    onDropped: () => events.push("dropped"),
    onStalled: () => events.push("stalled"),
    onCaughtUp: () => {}
  })
  broadcaster.joinUnsafe(member)
  return {
    connection,
    events,
    /** Says so many bytes, more or less. */
    publish: (bytes: number) => {
      broadcaster.publishUnsafe(member, Buffer.alloc(bytes, "x"), 0, bytes)
      broadcaster.flushUnsafe()
    },
    waitingBytes: () => member.outbox.waitingBytes,
    leave: () => broadcaster.leaveUnsafe(member)
  }
})

const isCongested = Effect.map(Broadcaster, (broadcaster) => broadcaster.isCongestedUnsafe())

describe("Broadcaster", () => {
  it.effect("counts who is in the room", () =>
    Effect.gen(function* () {
      const { sizeUnsafe } = yield* Broadcaster
      const a = yield* enter
      yield* enter
      assert.strictEqual(sizeUnsafe(), 2)
      a.leave()
      a.leave()
      assert.strictEqual(sizeUnsafe(), 1)
    }).pipe(provided())
  )

  it.effect("makes senders wait for a client above the soft limit until it has caught up", () =>
    Effect.gen(function* () {
      const [sender, slow] = [yield* enter, yield* enter]
      slow.connection.stopReading()
      sender.publish(SOFT_LIMIT - 200)
      assert.isFalse(yield* isCongested)
      sender.publish(200)
      assert.isTrue(yield* isCongested)

      const { uncongested } = yield* Broadcaster
      const waiting = yield* Effect.forkChild(uncongested, { startImmediately: true })
      yield* TestClock.adjust(GRACE_MILLIS - 1)
      assert.isUndefined(waiting.pollUnsafe())
      slow.connection.resumeReading()
      yield* Fiber.join(waiting)
      assert.isFalse(yield* isCongested)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(slow.events, [])
    }).pipe(provided())
  )

  it.effect("judges no client by a time in which the process was stopped", () =>
    Effect.gen(function* () {
      const { stopped } = yield* LateClock.make(60_000)
      yield* Effect.gen(function* () {
        const [sender, slow] = [yield* enter, yield* enter]
        slow.connection.stopReading()
        sender.publish(SOFT_LIMIT)
        yield* TestClock.adjust(GRACE_MILLIS)
        assert.isTrue(yield* isCongested)
        // What the client has read meanwhile is noticed now.
        slow.connection.resumeReading()
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(slow.events, [])
      }).pipe(provided(), Effect.provideService(Clock.Clock, stopped))
    })
  )

  it.effect("lets no sender go on in the middle of what ends its wait", () =>
    Effect.gen(function* () {
      const [sender, slow] = [yield* enter, yield* enter]
      slow.connection.stopReading()
      sender.publish(SOFT_LIMIT + 1)
      const { uncongested } = yield* Broadcaster
      const events: Array<string> = []
      const waiting = yield* uncongested.pipe(
        Effect.andThen(Effect.sync(() => events.push("goes on"))),
        Effect.forkChild({ startImmediately: true })
      )
      slow.leave()
      events.push("left")
      yield* Fiber.join(waiting)
      assert.deepStrictEqual(events, ["left", "goes on"])
    }).pipe(provided())
  )

  it.effect("makes nobody wait longer than the grace, and says who has stalled", () =>
    Effect.gen(function* () {
      const [sender, slow] = [yield* enter, yield* enter]
      const { uncongested } = yield* Broadcaster
      slow.connection.stopReading()
      sender.publish(SOFT_LIMIT + 1)
      const waiting = yield* Effect.forkChild(uncongested, { startImmediately: true })
      yield* TestClock.adjust(GRACE_MILLIS - 1)
      assert.deepStrictEqual([yield* isCongested, slow.events], [true, []])
      yield* TestClock.adjust(1)
      yield* Fiber.join(waiting)
      assert.deepStrictEqual([yield* isCongested, slow.events], [false, ["stalled"]])
    }).pipe(provided())
  )

  it.effect("does not wait again for a client that has stalled, before it has caught up", () =>
    Effect.gen(function* () {
      const [sender, slow] = [yield* enter, yield* enter]
      slow.connection.stopReading()
      sender.publish(SOFT_LIMIT + 1)
      yield* TestClock.adjust(GRACE_MILLIS)
      for (let i = 0; i < 5; i++) {
        sender.publish(SOFT_LIMIT)
        slow.connection.read(500)
        assert.isFalse(yield* isCongested)
        yield* TestClock.adjust(GRACE_MILLIS)
      }
      slow.connection.resumeReading()
      slow.connection.stopReading()
      sender.publish(SOFT_LIMIT + 1)
      assert.isTrue(yield* isCongested)
      yield* TestClock.adjust(GRACE_MILLIS)
      assert.deepStrictEqual(slow.events, ["stalled", "stalled"])
    }).pipe(provided())
  )

  it.effect("measures the grace anew when the client has caught up in between", () =>
    Effect.gen(function* () {
      const [sender, slow] = [yield* enter, yield* enter]
      for (let i = 0; i < 5; i++) {
        slow.connection.stopReading()
        sender.publish(SOFT_LIMIT + 1)
        yield* TestClock.adjust(GRACE_MILLIS - 1)
        assert.isTrue(yield* isCongested)
        slow.connection.resumeReading()
        assert.isFalse(yield* isCongested)
      }
      assert.deepStrictEqual(slow.events, [])
    }).pipe(provided())
  )

  it.effect("goes on once the slow client has left", () =>
    Effect.gen(function* () {
      const [sender, slow] = [yield* enter, yield* enter]
      const { uncongested } = yield* Broadcaster
      slow.connection.stopReading()
      sender.publish(SOFT_LIMIT + 1)
      const waiting = yield* Effect.forkChild(uncongested, { startImmediately: true })
      slow.leave()
      yield* Fiber.join(waiting)
      assert.isFalse(yield* isCongested)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(slow.events, [])
    }).pipe(provided())
  )

  it.effect("waits for every slow client, each for its own grace", () =>
    Effect.gen(function* () {
      const [sender, first, second] = [yield* enter, yield* enter, yield* enter]
      first.connection.stopReading()
      second.connection.stopReading()
      sender.publish(SOFT_LIMIT - 100)
      first.connection.resumeReading()
      first.connection.stopReading()
      sender.publish(100)
      assert.deepStrictEqual([yield* isCongested, first.waitingBytes() > SOFT_LIMIT], [true, false])
      yield* TestClock.adjust(60)
      sender.publish(SOFT_LIMIT)
      yield* TestClock.adjust(40)
      assert.deepStrictEqual([first.events, second.events, yield* isCongested], [[], ["stalled"], true])
      const { uncongested } = yield* Broadcaster
      const waiting = yield* Effect.forkChild(uncongested, { startImmediately: true })
      second.connection.resumeReading()
      first.connection.read(1)
      yield* TestClock.adjust(59)
      assert.deepStrictEqual([yield* isCongested, waiting.pollUnsafe()], [true, undefined])
      yield* TestClock.adjust(1)
      yield* Fiber.join(waiting)
      assert.deepStrictEqual([first.events, yield* isCongested], [["stalled"], false])
    }).pipe(provided())
  )

  it.effect("waits for nobody without a grace", () =>
    Effect.gen(function* () {
      const [sender, slow] = [yield* enter, yield* enter]
      const { uncongested } = yield* Broadcaster
      slow.connection.stopReading()
      sender.publish(SOFT_LIMIT + 1)
      yield* uncongested
      assert.deepStrictEqual([yield* isCongested, slow.events], [false, ["stalled"]])
    }).pipe(provided(0))
  )

  it.effect("says when a client has reached the hard limit", () =>
    Effect.gen(function* () {
      const [sender, slow, reader] = [yield* enter, yield* enter, yield* enter]
      slow.connection.stopReading()
      for (let i = 0; i < 100; i++) sender.publish(HARD_LIMIT / 50)
      assert.deepStrictEqual(slow.events, ["overflow"])
      assert.isAtMost(slow.waitingBytes(), HARD_LIMIT)
      assert.strictEqual(reader.connection.lines.length, 100)
    }).pipe(provided())
  )

  it.effect.prop(
    "is congested exactly while somebody present is above the soft limit, and not stalled",
    {
      steps: arbitraries.array(
        Arbitrary.all({
          kind: arbitraries.int(0, 6),
          who: arbitraries.int(0, 3),
          amount: arbitraries.int(1, 60)
        }),
        { maxLength: 80 }
      )
    },
    ({ steps }) =>
      Effect.gen(function* () {
        const sender = yield* enter
        const clients: Array<{ self: Effect.Success<typeof enter>; slowSince: number; isPresent: boolean }> = []
        for (let i = 0; i < 4; i++) clients.push({ self: yield* enter, slowSince: Infinity, isPresent: true })
        let now = 0
        for (const { amount, kind, who } of steps) {
          const client = clients[who]!
          const { connection } = client.self
          if (kind === 0) connection.stopReading()
          else if (kind === 1) connection.resumeReading()
          // All that the connection has begun to send: that a client has caught up shows only then.
          else if (kind === 2) connection.read(Math.max(amount * 20, connection.unsentBytes()))
          else if (kind === 3) {
            // Clients stay for a while.
            if (amount <= 10) {
              client.self.leave()
              client.isPresent = false
            }
          } else if (kind <= 5) sender.publish(amount * 10)
          else {
            yield* TestClock.adjust(amount)
            now += amount
          }
          for (const each of clients) {
            each.slowSince = each.self.waitingBytes() > SOFT_LIMIT ? Math.min(each.slowSince, now) : Infinity
          }
          const isAwaited = (each: (typeof clients)[number]) =>
            each.isPresent && each.slowSince <= now && now - each.slowSince < GRACE_MILLIS
          assert.strictEqual(yield* isCongested, clients.some(isAwaited))
        }
      }).pipe(provided(GRACE_MILLIS, Infinity)),
    runs(50)
  )
})
