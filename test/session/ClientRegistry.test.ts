import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Client } from "../../src/session/Client.ts"
import { LEFT } from "../../src/room/DisconnectReason.ts"
import { ClientRegistry } from "../../src/session/ClientRegistry.ts"

const client = (address: string) =>
  ({
    connection: { address, ip: address.split(":")[0] },
    info: { address, linesIn: 1, linesOut: 2, bytesIn: 3, bytesOut: 4, bytesWaiting: 0 }
  }) as Client

describe("the client registry", () => {
  it.effect("tells two clients of one address apart, of whom the first has not left yet", () =>
    Effect.gen(function* () {
      const registry = yield* ClientRegistry
      const [old, next] = [client("10.0.0.1:1"), client("10.0.0.1:1")]
      registry.enterUnsafe(old)
      registry.enterUnsafe(next)
      assert.strictEqual(registry.clientsUnsafe().length, 2)
      assert.strictEqual(registry.findUnsafe("10.0.0.1:1"), next)
      registry.leaveUnsafe(old, LEFT)
      assert.strictEqual(registry.findUnsafe("10.0.0.1:1"), next)
      assert.strictEqual(registry.clientsUnsafe().length, 1)
      const of = () => {
        const { bytesIn, bytesOut, clients, connections, departures, linesIn, linesOut } = registry.statsUnsafe()
        return { bytesIn, bytesOut, clients, connections, left: departures.left, linesIn, linesOut }
      }
      // Of both: bytes may still be on their way to the first.
      const both = { bytesIn: 6, bytesOut: 8, clients: 1, connections: 2, left: 1, linesIn: 2, linesOut: 4 }
      assert.deepStrictEqual(of(), both)
      registry.forgetUnsafe(old)
      registry.forgetUnsafe(old)
      assert.deepStrictEqual(of(), both)
    }).pipe(Effect.provide(ClientRegistry.layer))
  )

  it.effect(
    "counts lines that are relayed one by one or together, and what waits for clients, in sum and at most",
    () =>
      Effect.gen(function* () {
        const registry = yield* ClientRegistry
        for (const bytesWaiting of [3, 5]) {
          const { connection, info } = client(`10.0.0.1:${bytesWaiting}`)
          registry.enterUnsafe({ connection, info: { ...info, bytesWaiting } } as Client)
        }
        registry.countRelayedUnsafe(7)
        registry.relayedUnsafe("10.0.0.1:3", Buffer.from("line"), 0, 4)
        const { bytesWaiting, bytesWaitingMax, linesRelayed } = registry.statsUnsafe()
        assert.deepStrictEqual(
          { bytesWaiting, bytesWaitingMax, linesRelayed },
          { bytesWaiting: 8, bytesWaitingMax: 5, linesRelayed: 8 }
        )
      }).pipe(Effect.provide(ClientRegistry.layer))
  )
})
