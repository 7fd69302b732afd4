import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { Broadcaster } from "../../src/room/Broadcaster.ts"
import { ServerConfig } from "../../src/config/ServerConfig.ts"
import { MemoryConnection } from "../../src/testing/MemoryConnection.ts"

const KIB = 1024
const STALL_GRACE_MILLIS = 100
const EVICTION_GRACE_MILLIS = 3000
const SOFT_LIMIT = 1024 * KIB
const HARD_LIMIT = 8 * 1024 * KIB

type Policy = "disconnect" | "drop_oldest" | "drop_newest"

const provided = (policy: Policy = "disconnect", eviction_grace_ms = EVICTION_GRACE_MILLIS) =>
  Effect.provide(
    Layer.provide(
      Broadcaster.layer,
      ServerConfig.layerTest({
        hyper_parameters: {
          slow_consumer: {
            policy,
            soft_limit_bytes: SOFT_LIMIT,
            hard_limit_bytes: HARD_LIMIT,
            stall_grace_ms: STALL_GRACE_MILLIS,
            eviction_grace_ms
          }
        }
      })
    )
  )

let ports = 0

const join = (events: Array<string> = []) =>
  Effect.map(Broadcaster, (broadcaster) => {
    const connection = new MemoryConnection(`10.0.0.1:${++ports}`)
    const member = broadcaster.memberUnsafe(connection, {
      onOverflow: () => events.push("overflow"),
      onDropped: () => events.push("dropped"),
      onStalled: () => events.push("stalled"),
      onCaughtUp: () => events.push("caught up")
    })
    broadcaster.joinUnsafe(member)
    return { connection, member }
  })

/** A room with one client that does not read, and what becomes of it. */
const room = Effect.gen(function* () {
  const broadcaster = yield* Broadcaster
  const events: Array<string> = []
  const speaker = yield* join()
  const { connection: slow, member } = yield* join(events)
  slow.stopReading()
  const line = Buffer.alloc(32 * KIB, "x")
  return {
    slow,
    events,
    isCongested: broadcaster.isCongestedUnsafe,
    waitingBytes: () => member.outbox.waitingBytes,
    /** Says so many bytes, as a sender does: until it has to wait. */
    say: (bytes: number) => {
      let said = 0
      while (said < bytes && !broadcaster.isCongestedUnsafe()) {
        broadcaster.publishUnsafe(speaker.member, line, 0, line.length)
        broadcaster.flushUnsafe()
        said += line.length
      }
      return said
    }
  }
})

/** The same, after the room has gone on without the client and has nearly filled its backlog. */
const nearlyFull = Effect.gen(function* () {
  const made = yield* room
  made.say(HARD_LIMIT)
  yield* TestClock.adjust(STALL_GRACE_MILLIS)
  made.say(HARD_LIMIT)
  return made
})

describe("a client whose backlog is nearly full", () => {
  it.effect("is waited for, and loses nothing meanwhile", () =>
    Effect.gen(function* () {
      const { events, isCongested, say, waitingBytes } = yield* nearlyFull
      assert.isTrue(isCongested())
      assert.isAbove(waitingBytes(), HARD_LIMIT * 0.75)
      assert.isBelow(waitingBytes(), HARD_LIMIT)
      assert.strictEqual(say(1), 0)
      assert.deepStrictEqual(events, ["stalled"])
    }).pipe(provided())
  )

  it.effect("is given up, and overflows, once it has taken nothing for the eviction grace", () =>
    Effect.gen(function* () {
      const { events, isCongested, say } = yield* nearlyFull
      yield* TestClock.adjust(EVICTION_GRACE_MILLIS - STALL_GRACE_MILLIS - 1)
      assert.isTrue(isCongested())
      yield* TestClock.adjust(1)
      assert.isFalse(isCongested())
      say(HARD_LIMIT)
      assert.deepStrictEqual(events, ["stalled", "overflow"])
    }).pipe(provided())
  )

  it.effect("holds nobody up if it stopped reading longer ago than the eviction grace", () =>
    Effect.gen(function* () {
      const { events, isCongested, say } = yield* room
      say(HARD_LIMIT)
      yield* TestClock.adjust(EVICTION_GRACE_MILLIS)
      assert.isAbove(say(HARD_LIMIT * 2), HARD_LIMIT)
      assert.isFalse(isCongested())
      assert.deepStrictEqual(events, ["stalled", "overflow"])
    }).pipe(provided())
  )

  it.effect("sets the pace of the room as long as it reads 512 KiB in each eviction grace", () =>
    Effect.gen(function* () {
      const { events, isCongested, say, slow, waitingBytes } = yield* nearlyFull
      let said = 0
      for (let i = 0; i < 50; i++) {
        yield* TestClock.adjust(EVICTION_GRACE_MILLIS - STALL_GRACE_MILLIS - 1)
        assert.isTrue(isCongested())
        // What the connection has begun to send counts once all of it is taken, so this is a little more than it must.
        for (let read = 0; read < 700 * KIB; read += 10 * KIB) slow.read(10 * KIB)
        yield* Effect.promise(() => new Promise<void>((resume) => void setImmediate(resume)))
        said += say(HARD_LIMIT)
        assert.isBelow(waitingBytes(), HARD_LIMIT)
      }
      assert.isAbove(said, 40 * 512 * KIB)
      assert.deepStrictEqual(events, ["stalled"])
      slow.resumeReading()
      assert.deepStrictEqual(events, ["stalled", "caught up"])
      assert.isFalse(isCongested())
    }).pipe(provided())
  )

  it.effect("is given up if it takes less than that", () =>
    Effect.gen(function* () {
      const { events, isCongested, say, slow } = yield* nearlyFull
      for (let millis = STALL_GRACE_MILLIS; millis < EVICTION_GRACE_MILLIS; millis += 100) {
        slow.read(10 * KIB)
        say(HARD_LIMIT)
        yield* TestClock.adjust(100)
      }
      assert.isFalse(isCongested())
      say(HARD_LIMIT)
      assert.deepStrictEqual(events, ["stalled", "overflow"])
    }).pipe(provided())
  )

  for (const policy of ["drop_oldest", "drop_newest"] as const) {
    it.effect(`is not waited for with ${policy}`, () =>
      Effect.gen(function* () {
        const { events, isCongested, say } = yield* nearlyFull
        assert.isFalse(isCongested())
        say(HARD_LIMIT)
        assert.include(events, "dropped")
      }).pipe(provided(policy))
    )
  }

  it.effect("is not waited for without an eviction grace", () =>
    Effect.gen(function* () {
      const { events, isCongested } = yield* nearlyFull
      assert.isFalse(isCongested())
      assert.include(events, "overflow")
    }).pipe(provided("disconnect", 0))
  )
})
