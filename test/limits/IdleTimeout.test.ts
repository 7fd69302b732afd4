import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { monotonicMillis } from "../../src/internal/time.ts"
import { IdleTimeout } from "../../src/limits/IdleTimeout.ts"
import { ServerConfig } from "../../src/config/ServerConfig.ts"
import { RelayLogger } from "../../src/logging/RelayLogger.ts"
import * as LateClock from "../support/LateClock.ts"

const TIMEOUT_SECS = 20
const INTERVAL_SECS = 3

const provided = (client_timeout_secs: number | null = TIMEOUT_SECS) =>
  Effect.provide(
    Layer.provide(
      IdleTimeout.layer,
      ServerConfig.layerTest({ hyper_parameters: { client_timeout_secs, timeout_check_interval_secs: INTERVAL_SECS } })
    )
  )

/** A client that is silent from now on. */
const watch = Effect.gen(function* () {
  const idleTimeout = yield* IdleTimeout
  const clock = yield* Clock.Clock
  let session: Fiber.Fiber<never> | undefined
  const client = {
    lastLine: monotonicMillis(clock) as number | undefined,
    idleAt: [] as Array<number>,
    lastLineMillis: () => client.lastLine,
    onIdle: () => {
      client.idleAt.push(monotonicMillis(clock))
      session?.interruptUnsafe()
    },
    leave: Effect.suspend(() => Fiber.interrupt(session!))
  }
  session = yield* Effect.forkScoped(idleTimeout.watch(client, Effect.never), { startImmediately: true })
  return client
})

describe("IdleTimeout", () => {
  it.effect("finds each silent client once, between the timeout and one check later", () =>
    Effect.gen(function* () {
      const clients = []
      for (let i = 0; i < 12; i++) {
        clients.push(yield* watch)
        yield* TestClock.adjust(700)
      }
      yield* TestClock.adjust("2 minutes")
      for (const { idleAt, lastLine } of clients) {
        assert.strictEqual(idleAt.length, 1)
        assert.isAtLeast(idleAt[0]! - lastLine!, TIMEOUT_SECS * 1000)
        assert.isBelow(idleAt[0]! - lastLine!, (TIMEOUT_SECS + INTERVAL_SECS) * 1000)
      }
    }).pipe(provided())
  )

  it.effect("is late by no more than one check", () =>
    Effect.gen(function* () {
      const exact = yield* watch
      exact.lastLine = 1_000
      yield* TestClock.adjust(20_999)
      assert.deepStrictEqual(exact.idleAt, [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(exact.idleAt, [21_000])
    }).pipe(provided())
  )

  it.effect("spares a client whose every line comes in time, and one that has gone", () =>
    Effect.gen(function* () {
      const chatty = yield* watch
      const gone = yield* watch
      yield* gone.leave
      for (let i = 0; i < 20; i++) {
        yield* TestClock.adjust(19_900)
        chatty.lastLine = monotonicMillis(yield* Clock.Clock)
      }
      assert.deepStrictEqual([chatty.idleAt, gone.idleAt], [[], []])
    }).pipe(provided())
  )

  it.effect("spares a client while the server holds it back", () =>
    Effect.gen(function* () {
      const held = yield* watch
      held.lastLine = undefined
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(held.idleAt, [])
      held.lastLine = 0
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(held.idleAt.length, 1)
    }).pipe(provided())
  )

  it.effect("goes on when it fails for one client, for the others at once and for that one at the next check", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const broken = yield* watch
      const other = yield* watch
      const { onIdle } = broken
      broken.onIdle = () => {
        broken.onIdle = onIdle
        throw new Error("a bug")
      }
      yield* TestClock.adjust("21 seconds")
      assert.deepStrictEqual([broken.idleAt, other.idleAt], [[], [21_000]])
      assert.deepStrictEqual(lines, ["ERROR the idle timeout has failed for 1: Error: a bug"])
      yield* TestClock.adjust(`${INTERVAL_SECS} seconds`)
      assert.deepStrictEqual(broken.idleAt, [24_000])
    }).pipe(provided(), Effect.provide(RelayLogger.layerTest(lines)))
  })

  it.effect("never finds anyone when it is turned off", () =>
    Effect.gen(function* () {
      const client = yield* watch
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(client.idleAt, [])
    }).pipe(provided(null))
  )

  it.effect("disabled never finds anyone", () =>
    Effect.gen(function* () {
      const client = yield* watch
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(client.idleAt, [])
    }).pipe(Effect.provide(IdleTimeout.layerDisabled))
  )

  it.effect("does not find a client whose line was waiting while the process was stopped", () =>
    Effect.gen(function* () {
      const { stopped } = yield* LateClock.make(TIMEOUT_SECS * 1000, INTERVAL_SECS)
      yield* Effect.gen(function* () {
        const client = yield* watch
        yield* TestClock.adjust(`${INTERVAL_SECS} seconds`)
        // Its line is read in the second after the stop.
        yield* TestClock.adjust("500 millis")
        client.lastLine = monotonicMillis(stopped)
        yield* TestClock.adjust(`${INTERVAL_SECS} seconds`)
        assert.deepStrictEqual(client.idleAt, [])
      }).pipe(provided(), Effect.provideService(Clock.Clock, stopped))
    })
  )
})
