import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { RelayServer } from "../../src/RelayServer.ts"
import { noDisconnects } from "../../src/room/DisconnectReason.ts"
import { MemoryNetwork } from "../../src/testing/MemoryListener.ts"
import * as TestQuarantine from "../../src/testing/TestQuarantine.ts"
import * as TestRelay from "../../src/testing/TestRelay.ts"

describe("MemoryNetwork", () => {
  it.effect("shows of a refused client its notice and its end, but no departure: it never was there", () =>
    Effect.gen(function* () {
      const { connect } = yield* MemoryNetwork
      const relay = yield* RelayServer
      const refused = yield* connect({ ip: "10.0.0.9" })
      assert.deepStrictEqual(refused.lines, ["Warning: You are quarantined. Please try again in 5 seconds."])
      assert.deepInclude(refused, { isEnded: true, isClosed: true, ends: 1, endKind: undefined })
      assert.deepStrictEqual((yield* relay.stats).departures, noDisconnects())

      const dismissed = yield* connect()
      yield* relay.disconnect(dismissed.address)
      yield* dismissed.until((self) => self.isClosed)
      assert.deepInclude(dismissed, { ends: 1, endKind: "application" })
    }).pipe(Effect.provide(TestRelay.layer({}, TestQuarantine.layer(["10.0.0.9"]))))
  )
})
