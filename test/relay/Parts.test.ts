import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { ServerConfig } from "../../src/config/ServerConfig.ts"
import { Quarantine } from "../../src/limits/Quarantine.ts"
import { RateLimiter } from "../../src/limits/RateLimiter.ts"
import { RelayLogger } from "../../src/logging/RelayLogger.ts"
import { RelayServer } from "../../src/RelayServer.ts"
import * as MessageFilter from "../../src/session/MessageFilter.ts"
import * as MemoryListener from "../../src/testing/MemoryListener.ts"
import * as TestBroadcaster from "../../src/testing/TestBroadcaster.ts"
import * as TestQuarantine from "../../src/testing/TestQuarantine.ts"
import * as TestRelay from "../../src/testing/TestRelay.ts"

/** What a server dies of. */
const defectOf = (server: Layer.Layer<RelayServer, unknown>) =>
  Effect.map(Effect.exit(Effect.scoped(Layer.build(server))), (exit) =>
    Exit.isFailure(exit) ? String(Cause.squash(exit.cause)) : assert.fail("it has started")
  )

const listener = MemoryListener.layer

describe("the parts of a server", () => {
  it.effect("that are not the standard ones are named in the log line of its start", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      yield* RelayServer
      assert.include(
        lines,
        "INFO listening on 127.0.0.1:49152, with parts of the program: messageFilter, listener, quarantine"
      )
    }).pipe(
      Effect.provide(
        RelayServer.layer(
          { port: 0 },
          {
            listener,
            quarantine: TestQuarantine.layer(),
            rateLimiter: undefined,
            messageFilter: MessageFilter.gate(() => Effect.succeed(MessageFilter.relay()))
          }
        ).pipe(Layer.provide(RelayLogger.layerTest(lines)))
      )
    )
  })

  it.effect("may need services of the program, and fail with errors of theirs", () => {
    class Database extends Context.Service<Database, { readonly banned: string }>()("Database") {}
    const messageFilter = Effect.map(
      Database,
      ({ banned }): MessageFilter.Open =>
        ({ ip }) =>
          Effect.succeed(ip === banned ? MessageFilter.disconnect() : () => Effect.succeed(MessageFilter.relay()))
    )
    return Effect.gen(function* () {
      const { connect } = yield* MemoryListener.MemoryNetwork
      assert.isTrue((yield* connect({ ip: "10.0.0.9" })).ends > 0)
      assert.strictEqual((yield* connect()).ends, 0)
      const failing = TestRelay.layer(
        {},
        { rateLimiter: Layer.effect(RateLimiter, Effect.fail("no database" as const)) }
      )
      assert.strictEqual(yield* Effect.flip(Layer.build(failing)), "no database")
    }).pipe(
      Effect.provide(TestRelay.layer({}, { messageFilter })),
      Effect.provideService(Database, { banned: "10.0.0.9" })
    )
  })

  it.effect("are built for each server anew", () =>
    Effect.gen(function* () {
      let built = 0
      const rateLimiter = Layer.effect(
        RateLimiter,
        Effect.sync(() => {
          built++
          return { open: () => Effect.succeed({ spendUnsafe: () => true }) }
        })
      )
      class One extends Context.Service<One, RelayServer["Service"]>()("One") {}
      class Other extends Context.Service<Other, RelayServer["Service"]>()("Other") {}
      const parts = { listener, rateLimiter }
      yield* Layer.build(
        Layer.merge(
          Layer.effect(One, RelayServer).pipe(Layer.provide(RelayServer.layer({}, parts))),
          Layer.effect(Other, RelayServer).pipe(Layer.provide(RelayServer.layer({}, parts)))
        )
      ).pipe(Effect.provide(RelayLogger.layerSilent))
      assert.strictEqual(built, 2)
    })
  )

  it.effect("are not those that are provided around the server: it dies of them, and says where they belong", () =>
    Effect.gen(function* () {
      const around = RelayServer.layer({ port: 0 }, { listener }).pipe(
        Layer.provide(Layer.succeed(RateLimiter, { open: () => Effect.succeed({ spendUnsafe: () => false }) }))
      )
      assert.strictEqual(
        yield* defectOf(around),
        "Error: RelayServer.layer would ignore the summoner-server/RateLimiter that is provided around it; " +
          "give it as a part: RelayServer.layer(options, { rateLimiter: ... })"
      )
      const test = TestRelay.layer().pipe(Layer.provide(TestBroadcaster.layer), Layer.provide(ServerConfig.layerTest()))
      assert.match(yield* defectOf(test), /TestRelay\.layer would ignore the summoner-server\/Broadcaster/)
    })
  )

  it.effect("are no configuration: a server with options dies of a ServerConfig around it", () =>
    Effect.gen(function* () {
      const server = RelayServer.layer({ port: 0 }, { listener }).pipe(Layer.provide(ServerConfig.layerTest()))
      assert.match(yield* defectOf(server), /RelayServer\.layer would ignore the summoner-server\/ServerConfig/)
    })
  )

  it.effect("have names: another one is a type error, and the server dies of it", () =>
    Effect.gen(function* () {
      // @ts-expect-error a part in lower case
      const server = RelayServer.layer({ port: 0 }, { listener, ratelimiter: RateLimiter.layerUnlimited })
      assert.match(
        yield* defectOf(server),
        /^TypeError: RelayServer\.layer has no part "ratelimiter"; expected messageFilter, /
      )
      // @ts-expect-error another service
      RelayServer.layer({ port: 0 }, { rateLimiter: Quarantine.layer })
      // @ts-expect-error a Layer with the name of the filter
      RelayServer.layer({ port: 0 }, { messageFilter: Quarantine.layer })
    })
  )
})
