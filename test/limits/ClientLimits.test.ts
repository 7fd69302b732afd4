import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ServerConfig } from "../../src/config/ServerConfig.ts"
import { ClientLimits } from "../../src/limits/ClientLimits.ts"
import * as SharedLimits from "../../src/limits/SharedLimits.ts"

const layers = {
  "in one thread": ClientLimits.layer,
  "shared by threads": Layer.suspend(() => SharedLimits.layer(SharedLimits.share(3), 1))
}

const tcp = (ip: string) => ({ ip, transport: "tcp" })
const webSocket = (ip: string) => ({ ip, transport: "websocket" })

for (const [where, layer] of Object.entries(layers)) {
  const provided = (options: Parameters<typeof ServerConfig.layerTest>[0]) =>
    Effect.provide(Layer.provide(layer, ServerConfig.layerTest(options)))

  describe(`ClientLimits ${where}`, () => {
    it.effect("takes max_clients, and one more for each that leaves", () =>
      Effect.gen(function* () {
        const { enterUnsafe, leaveUnsafe, maxClientsUnsafe } = yield* ClientLimits
        assert.deepStrictEqual(["a", "b", "b", "c"].map(tcp).map(enterUnsafe), [true, true, true, false])
        leaveUnsafe(tcp("b"))
        assert.deepStrictEqual(["a", "b"].map(tcp).map(enterUnsafe), [true, false])
        assert.strictEqual(maxClientsUnsafe(), 3)
      }).pipe(provided({ hyper_parameters: { max_clients: 3 } }))
    )

    it.effect("takes max_clients_per_ip from an address, whatever the others do", () =>
      Effect.gen(function* () {
        const { enterUnsafe, leaveUnsafe } = yield* ClientLimits
        assert.deepStrictEqual(["a", "a", "a", "b"].map(tcp).map(enterUnsafe), [true, true, false, true])
        leaveUnsafe(tcp("b"))
        assert.isFalse(enterUnsafe(tcp("a")))
        leaveUnsafe(tcp("a"))
        leaveUnsafe(tcp("a"))
        assert.deepStrictEqual(["a", "a", "a"].map(tcp).map(enterUnsafe), [true, true, false])
      }).pipe(provided({ hyper_parameters: { max_clients_per_ip: 2 } }))
    )

    it.effect("counts the clients of an IP address", () =>
      Effect.gen(function* () {
        const { countFromUnsafe, enterUnsafe, leaveUnsafe } = yield* ClientLimits
        for (const client of [tcp("a"), tcp("a"), webSocket("a"), tcp("b"), tcp("a")]) enterUnsafe(client)
        assert.deepStrictEqual(["a", "b", "c"].map(countFromUnsafe), [3, 1, 0])
        for (const client of [tcp("a"), tcp("b")]) leaveUnsafe(client)
        assert.deepStrictEqual(["a", "b", "c"].map(countFromUnsafe), [2, 0, 0])
      }).pipe(provided({ hyper_parameters: { max_clients_per_ip: 3 } }))
    )

    it.effect("takes websocket.max_clients by WebSocket, and others beyond", () =>
      Effect.gen(function* () {
        const { enterUnsafe, leaveUnsafe } = yield* ClientLimits
        assert.deepStrictEqual([webSocket("a"), webSocket("b"), tcp("a")].map(enterUnsafe), [true, false, true])
        leaveUnsafe(webSocket("a"))
        assert.isTrue(enterUnsafe(webSocket("b")))
      }).pipe(provided({ websocket: { max_clients: 1 } }))
    )

    it.effect("goes by limits that have changed, and counts who was there before", () =>
      Effect.gen(function* () {
        const { hyper_parameters } = yield* ServerConfig
        const { enterUnsafe } = yield* ClientLimits
        assert.deepStrictEqual(["a", "a", "b"].map(tcp).map(enterUnsafe), [true, true, true])
        const limits = hyper_parameters as {
          -readonly [key in keyof typeof hyper_parameters]: (typeof hyper_parameters)[key]
        }
        limits.max_clients_per_ip = 2
        assert.deepStrictEqual(["a", "b"].map(tcp).map(enterUnsafe), [false, true])
        limits.max_clients = 4
        assert.isFalse(enterUnsafe(tcp("c")))
      }).pipe(Effect.provide(Layer.provideMerge(layer, ServerConfig.layerTest({}))))
    )
  })
}
