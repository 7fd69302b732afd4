import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { MAX_SHARED_BUDGETS, type RateBudget, RateLimiter } from "../../src/limits/RateLimiter.ts"
import * as SharedLimits from "../../src/limits/SharedLimits.ts"
import { ServerConfig } from "../../src/config/ServerConfig.ts"
import { openUnsafe } from "../support/Budgets.ts"

const provided = (
  layer: Layer.Layer<RateLimiter, never, ServerConfig>,
  rate_limit_msgs_per_minute: number,
  rate_limit_scope: "connection" | "ip" = "connection"
) =>
  Effect.provide(
    Layer.provide(layer, ServerConfig.layerTest({ hyper_parameters: { rate_limit_msgs_per_minute, rate_limit_scope } }))
  )

/** Opens the budget of a client, given the time. */
const limited = (layer: Layer.Layer<RateLimiter, never, ServerConfig>, limit: number) =>
  RateLimiter.use((rateLimiter) =>
    Effect.succeed((nowMillis: number) => openUnsafe(rateLimiter, "10.0.0.1", nowMillis))
  ).pipe(provided(layer, limit))

/** How many of `lines` pass at one moment. */
const spend = (budget: RateBudget, nowMillis: number, lines: number) => {
  let passed = 0
  for (let i = 0; i < lines; i++) if (budget.spendUnsafe(nowMillis)) passed++
  return passed
}

const fixed = (limit: number) => limited(RateLimiter.layerFixedWindow, limit)
const bucket = (limit: number) => limited(RateLimiter.layerTokenBucket, limit)

const byIp = {
  layerFixedWindow: RateLimiter.layerFixedWindow,
  layerTokenBucket: RateLimiter.layerTokenBucket,
  "shared by threads": Layer.suspend(() => SharedLimits.layer(SharedLimits.share(3), 1))
}

describe("RateLimiter", () => {
  describe("fixed window", () => {
    it.effect("lets so many lines pass in the minute that begins with the connection", () =>
      Effect.gen(function* () {
        const budget = (yield* fixed(3))(1_000_000)
        assert.strictEqual(spend(budget, 1_000_000, 2), 2)
        assert.strictEqual(spend(budget, 1_059_999, 5), 1)
        assert.strictEqual(spend(budget, 1_060_000, 5), 3)
        assert.strictEqual(spend(budget, 1_119_999, 5), 0)
        assert.strictEqual(spend(budget, 1_120_000, 5), 3)
      })
    )

    it.effect("keeps its windows in step with the connection after a pause", () =>
      Effect.gen(function* () {
        const budget = (yield* fixed(3))(0)
        assert.strictEqual(spend(budget, 150_000, 5), 3)
        assert.strictEqual(spend(budget, 179_999, 5), 0)
        assert.strictEqual(spend(budget, 180_000, 5), 3)
      })
    )

    it.effect("gives every client a budget of its own", () =>
      Effect.gen(function* () {
        const open = yield* fixed(2)
        const [a, b] = [open(0), open(0)]
        assert.strictEqual(spend(a, 0, 5), 2)
        assert.strictEqual(spend(b, 0, 5), 2)
      })
    )
  })

  describe("token bucket", () => {
    it.effect("starts full, and fills up evenly within a minute", () =>
      Effect.gen(function* () {
        const budget = (yield* bucket(4))(0)
        assert.strictEqual(spend(budget, 0, 10), 4)
        assert.strictEqual(spend(budget, 14_999, 10), 0)
        assert.strictEqual(spend(budget, 15_001, 10), 1)
        assert.strictEqual(spend(budget, 45_002, 10), 2)
        assert.strictEqual(spend(budget, 10_000_000, 10), 4)
      })
    )

    it.effect("lets the same rate pass as a window does in the long run", () =>
      Effect.gen(function* () {
        const budget = (yield* bucket(300))(0)
        let passed = 0
        for (let millis = 0; millis <= 600_000; millis += 50) passed += spend(budget, millis, 1)
        assert.approximately(passed, 300 + 10 * 300, 1)
      })
    )
  })

  for (const kind of ["layerFixedWindow", "layerTokenBucket"] as const) {
    it.effect(`${kind} takes the largest limit`, () =>
      Effect.gen(function* () {
        const budget = (yield* limited(RateLimiter[kind], 4_294_967_295))(0)
        for (const millis of [0, 59_999, 60_000, 1e12]) assert.strictEqual(spend(budget, millis, 10_000), 10_000)
      })
    )

    it.effect(`${kind} takes the smallest limit`, () =>
      Effect.gen(function* () {
        const budget = (yield* limited(RateLimiter[kind], 1))(0)
        for (const millis of [0, 60_000, 120_000]) assert.strictEqual(spend(budget, millis, 3), 1)
      })
    )
  }

  describe("by IP address", () => {
    for (const [kind, layer] of Object.entries(byIp)) {
      it.effect(`${kind}: clients of one address share a budget, others do not`, () =>
        Effect.gen(function* () {
          const rateLimiter = yield* RateLimiter
          const open = (ip: string, nowMillis: number) => openUnsafe(rateLimiter, ip, nowMillis)
          const [a, b, other] = [open("a", 0), open("a", 30_000), open("b", 30_000)]
          assert.strictEqual(spend(a, 30_000, 2) + spend(b, 30_000, 5), 3)
          assert.strictEqual(spend(other, 30_000, 5), 3)
          // Coming again does not help, whether others have stayed or not.
          a.closeUnsafe()
          const again = open("a", 30_000)
          assert.strictEqual(spend(again, 30_000, 5), 0)
          b.closeUnsafe()
          again.closeUnsafe()
          assert.strictEqual(spend(open("a", 30_000), 30_000, 5), 0)
          assert.strictEqual(spend(open("a", 90_000), 90_000, 5), 3)
        }).pipe(provided(layer, 3, "ip"))
      )

      it.effect(
        `${kind}: forgets the address that has been gone for longest when there are too many, never one in use`,
        () =>
          Effect.gen(function* () {
            const rateLimiter = yield* RateLimiter
            const open = (ip: string) => openUnsafe(rateLimiter, ip, 0)
            const stays = open("stays")
            spend(stays, 0, 1)
            open("stays").closeUnsafe()
            // It has gone, and has come again.
            stays.closeUnsafe()
            const again = open("stays")
            for (let i = 0; i <= MAX_SHARED_BUDGETS; i++) {
              const passing = open(`ip ${i}`)
              spend(passing, 0, 1)
              passing.closeUnsafe()
            }
            assert.strictEqual(spend(open("ip 0"), 0, 1), 1)
            assert.strictEqual(spend(open("ip 1"), 0, 1), 0)
            assert.strictEqual(spend(again, 0, 1), 0)
          }).pipe(provided(layer, 1, "ip"))
      )
    }
  })

  it.effect("unlimited lets everything pass", () =>
    Effect.gen(function* () {
      const budget = (yield* limited(RateLimiter.layerUnlimited, 1))(0)
      assert.strictEqual(spend(budget, 0, 100_000), 100_000)
    })
  )
})
