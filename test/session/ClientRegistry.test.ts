import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Client } from "../../src/session/Client.ts"
import { LEFT } from "../../src/room/DisconnectReason.ts"
import { ClientRegistry } from "../../src/session/ClientRegistry.ts"

const client = (address: string) =>
  ({
    connection: { address },
    info: { address, linesIn: 1, linesOut: 2, bytesIn: 3, bytesOut: 4, bytesWaiting: 0 }
  }) as Client

describe("the client registry", () => {
  it.effect("tells two clients of one address apart, of whom the first has not left yet", () =>
    Effect.gen(function* () {
      const roster = yield* ClientRegistry.make
      const [old, next] = [client("10.0.0.1:1"), client("10.0.0.1:1")]
      roster.enter(old)
      roster.enter(next)
      assert.strictEqual(roster.clients.length, 2)
      assert.strictEqual(roster.find("10.0.0.1:1"), next)
      roster.leave(old, LEFT)
      assert.strictEqual(roster.find("10.0.0.1:1"), next)
      assert.strictEqual(roster.clients.length, 1)
      assert.strictEqual(roster.stats.linesOut, 4)
      roster.forget(old)
      roster.forget(old)
      assert.strictEqual(roster.stats.linesOut, 4)
    })
  )
})
