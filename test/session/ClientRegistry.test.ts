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
      assert.strictEqual(registry.statsUnsafe().linesOut, 4)
      registry.forgetUnsafe(old)
      registry.forgetUnsafe(old)
      assert.strictEqual(registry.statsUnsafe().linesOut, 4)
    }).pipe(Effect.provide(ClientRegistry.layer))
  )
})
