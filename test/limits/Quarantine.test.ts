import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { RelayLogger } from "../../src/logging/RelayLogger.ts"
import { Quarantine } from "../../src/limits/Quarantine.ts"
import { MAX_ENTRIES } from "../../src/limits/Releases.ts"
import * as SharedLimits from "../../src/limits/SharedLimits.ts"
import { ServerConfig, type Values } from "../../src/config/ServerConfig.ts"

const client = (ip: string, port = 1) => ({ ip, address: `${ip}:${port}` })

const layers = {
  "in one thread": Quarantine.layer,
  "shared by threads": Layer.suspend(() => SharedLimits.layer(SharedLimits.share(3), 1))
}

for (const [where, layer] of Object.entries(layers)) {
  const provided = (overrides: Partial<Values["hyper_parameters"]> = {}, log: Array<string> = []) =>
    Effect.provide(
      layer.pipe(
        Layer.provideMerge(RelayLogger.layerTest(log)),
        Layer.provide(
          ServerConfig.layerTest({
            hyper_parameters: { quarantine_cooldown_secs: 10, quarantine_cleanup_interval_secs: 4, ...overrides }
          })
        )
      )
    )

  describe(`Quarantine ${where}`, () => {
    it.effect("keeps an IP address out for the cooldown, whatever its port", () =>
      Effect.gen(function* () {
        const quarantine = yield* Quarantine
        assert.strictEqual(quarantine.remainingMillisUnsafe(client("a")), 0)
        yield* TestClock.adjust(500)
        quarantine.addUnsafe(client("a", 1))
        assert.strictEqual(quarantine.remainingMillisUnsafe(client("a", 2)), 10_000)
        assert.strictEqual(quarantine.remainingMillisUnsafe(client("b", 1)), 0)
        yield* TestClock.adjust(9_999)
        assert.strictEqual(quarantine.remainingMillisUnsafe(client("a", 2)), 1)
        yield* TestClock.adjust(1)
        assert.strictEqual(quarantine.remainingMillisUnsafe(client("a", 2)), 0)
      }).pipe(provided())
    )

    it.effect("may be keyed by address and port", () =>
      Effect.gen(function* () {
        const quarantine = yield* Quarantine
        quarantine.addUnsafe(client("a", 1))
        assert.strictEqual(quarantine.remainingMillisUnsafe(client("a", 1)), 10_000)
        assert.strictEqual(quarantine.remainingMillisUnsafe(client("a", 2)), 0)
      }).pipe(provided({ quarantine_scope: "address" }))
    )

    it.effect("begins anew for a client that earns it again", () =>
      Effect.gen(function* () {
        const quarantine = yield* Quarantine
        quarantine.addUnsafe(client("a"))
        quarantine.addUnsafe(client("b"))
        yield* TestClock.adjust("6 seconds")
        quarantine.addUnsafe(client("a"))
        yield* TestClock.adjust("6 seconds")
        assert.strictEqual(quarantine.remainingMillisUnsafe(client("a")), 4_000)
        // The one before it in time is swept although it came later.
        assert.strictEqual(quarantine.sizeUnsafe(), 1)
      }).pipe(provided())
    )

    it.effect("lists whoever is kept out, the newest last, and lets in again whom an operator names", () =>
      Effect.gen(function* () {
        const quarantine = yield* Quarantine
        for (const ip of ["a", "b", "c"]) quarantine.addUnsafe(client(ip))
        yield* Quarantine.add("fe80::1%eth0", 3_000)
        quarantine.addUnsafe(client("b"))
        yield* TestClock.adjust(3_000)
        const keys = Effect.map(Quarantine.list, (entries) =>
          entries.map(({ key, remainingMillis }) => `${key} ${remainingMillis}`)
        )
        assert.deepStrictEqual(yield* keys, ["a 7000", "c 7000", "b 7000"])
        assert.deepStrictEqual(yield* Effect.forEach(["c", "c", "fe80::1%eth0", "x".repeat(1000)], Quarantine.lift), [
          true,
          false,
          false,
          false
        ])
        assert.deepStrictEqual(yield* keys, ["a 7000", "b 7000"])
        yield* Quarantine.add("a", 0)
        assert.deepStrictEqual(yield* keys, ["b 7000"])
        yield* Quarantine.add("d")
        assert.deepStrictEqual(yield* keys, ["b 7000", "d 10000"])
      }).pipe(provided())
    )

    it.effect("keeps nobody out without a cooldown", () =>
      Effect.gen(function* () {
        const quarantine = yield* Quarantine
        quarantine.addUnsafe(client("a"))
        assert.strictEqual(quarantine.remainingMillisUnsafe(client("a")), 0)
        assert.strictEqual(quarantine.cooldownMillisUnsafe(), 0)
      }).pipe(provided({ quarantine_cooldown_secs: 0 }))
    )

    it.effect("forgets at every sweep whoever may come back, and logs how many", () => {
      const log: Array<string> = []
      return Effect.gen(function* () {
        const quarantine = yield* Quarantine
        quarantine.addUnsafe(client("a"))
        quarantine.addUnsafe(client("b"))
        yield* TestClock.adjust("3 seconds")
        quarantine.addUnsafe(client("c"))
        yield* TestClock.adjust(8_999)
        // Who may come back counts no more, swept or not.
        assert.deepStrictEqual([quarantine.sizeUnsafe(), log], [1, []])
        yield* TestClock.adjust(1)
        assert.deepStrictEqual(log, ["INFO quarantine swept: 2 released, 1 left"])
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(log.slice(1), ["INFO quarantine swept: 1 released, 0 left"])
        assert.strictEqual(quarantine.sizeUnsafe(), 0)
      }).pipe(provided({}, log))
    })

    it.effect("releases the oldest early when there are too many, and says so at the next sweep", () => {
      const log: Array<string> = []
      return Effect.gen(function* () {
        const quarantine = yield* Quarantine
        for (let i = 0; i < MAX_ENTRIES + 2; i++) quarantine.addUnsafe(client(`ip ${i}`))
        assert.strictEqual(quarantine.sizeUnsafe(), MAX_ENTRIES)
        assert.deepStrictEqual(
          [0, 1, 2, MAX_ENTRIES + 1].map((i) => quarantine.remainingMillisUnsafe(client(`ip ${i}`))),
          [0, 0, 10_000, 10_000]
        )
        assert.deepStrictEqual(log, [])
        yield* TestClock.adjust("8 seconds")
        assert.deepStrictEqual(log, [`WARNING quarantine full (${MAX_ENTRIES}): 2 released early`])
        // Its time is up, and it has not been swept yet.
        yield* TestClock.adjust("2 seconds")
        quarantine.addUnsafe(client("late"))
        yield* TestClock.adjust("6 seconds")
        assert.deepStrictEqual(log.slice(1), [`INFO quarantine swept: ${MAX_ENTRIES - 1} released, 1 left`])
      }).pipe(provided({}, log))
    })
  })
}

describe("Quarantine", () => {
  it.effect("disabled keeps nobody out", () =>
    Effect.gen(function* () {
      const quarantine = yield* Quarantine
      quarantine.addUnsafe(client("a"))
      assert.strictEqual(quarantine.remainingMillisUnsafe(client("a")), 0)
      assert.strictEqual(quarantine.sizeUnsafe(), 0)
    }).pipe(Effect.provide(Quarantine.layerDisabled))
  )
})
