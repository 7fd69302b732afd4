import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as LateClock from "../support/LateClock.ts"
import { DISPLACED, PATIENCE_MILLIS, PendingConnections, TIMED_OUT } from "../../src/transport/PendingConnections.ts"

const silent = (pending: PendingConnections) =>
  Effect.forkChild(Effect.flip(pending.within(Effect.never)), { startImmediately: true })

describe("pending connections", () => {
  it.effect("gives each connection ten seconds", () =>
    Effect.gen(function* () {
      const pending = new PendingConnections(10)
      const first = yield* silent(pending)
      yield* TestClock.adjust(PATIENCE_MILLIS - 1)
      const second = yield* silent(pending)
      assert.strictEqual(pending.size, 2)
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(first)).incident, TIMED_OUT)
      assert.strictEqual(pending.size, 1)
      yield* TestClock.adjust(PATIENCE_MILLIS)
      assert.strictEqual((yield* Fiber.join(second)).incident, TIMED_OUT)
      assert.strictEqual(pending.size, 0)
    })
  )

  it.effect("sends the oldest away when it is full", () =>
    Effect.gen(function* () {
      const pending = new PendingConnections(2)
      const [first, second, third] = [yield* silent(pending), yield* silent(pending), yield* silent(pending)]
      assert.strictEqual((yield* Fiber.join(first)).incident, DISPLACED)
      assert.strictEqual(pending.size, 2)
      assert.strictEqual(yield* pending.within(Effect.succeed("known at once")), "known at once")
      assert.strictEqual((yield* Fiber.join(second)).incident, DISPLACED)
      assert.strictEqual(pending.size, 1)
      yield* Fiber.interrupt(third)
      assert.strictEqual(pending.size, 0)
      assert.isFalse(pending.displaceOldest())
    })
  )

  it.effect("lets out who has said whose it is, or cannot", () =>
    Effect.gen(function* () {
      const pending = new PendingConnections(2)
      assert.strictEqual(
        yield* pending
          .within(Effect.delay(Effect.succeed(1), 5))
          .pipe(Effect.forkChild, Effect.tap(TestClock.adjust(5)), Effect.flatMap(Fiber.join)),
        1
      )
      assert.strictEqual(yield* Effect.flip(pending.within(Effect.fail("gone" as const))), "gone")
      assert.strictEqual(pending.size, 0)
    })
  )

  it.effect("may say who they are after a time in which the process was stopped", () =>
    Effect.gen(function* () {
      const pending = new PendingConnections(10)
      const { stopped } = yield* LateClock.make(60_000)
      const said = yield* Deferred.make<string>()
      const arrival = yield* Effect.forkChild(
        Effect.provideService(pending.within(Deferred.await(said)), Clock.Clock, stopped),
        { startImmediately: true }
      )
      yield* TestClock.adjust(PATIENCE_MILLIS)
      // Its bytes have waited in the socket, and take some turns of the event loop.
      yield* TestClock.adjust("500 millis")
      yield* Deferred.succeed(said, "client")
      assert.strictEqual(yield* Fiber.join(arrival), "client")
    })
  )
})
