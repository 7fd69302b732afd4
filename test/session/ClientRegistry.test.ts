import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { FEED_CHARACTERS } from "../../src/internal/EventFeed.ts"
import { Sender } from "../../src/room/Room.ts"
import type { Client } from "../../src/session/Client.ts"
import { LEFT } from "../../src/room/DisconnectReason.ts"
import { ClientRegistry } from "../../src/session/ClientRegistry.ts"

const client = (address: string) =>
  ({
    connection: { address, ip: address.split(":")[0] },
    info: { address, linesIn: 1, linesOut: 2, bytesIn: 3, bytesOut: 4, bytesWaiting: 0 }
  }) as Client

/** Collects a stream in a fiber; subscribed when it returns. */
const collect = <A>(stream: Stream.Stream<A>) =>
  Effect.forkChild(Effect.map(Stream.runCollect(stream), Array.from<A>), { startImmediately: true })

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

  it.effect("tells those who watch clients, or everything, who is there, and of changes that change a state", () =>
    Effect.gen(function* () {
      const registry = yield* ClientRegistry
      const held = {
        ...client("10.0.0.1:1"),
        hold: undefined as Client["hold"],
        get info() {
          return { state: this.hold === undefined ? "active" : "waiting" }
        }
      } as Client
      registry.enterUnsafe(held)
      const watching = [
        yield* collect(Stream.takeUntil(registry.changes, ({ _tag }) => _tag === "Disconnected")),
        yield* collect(Stream.takeUntil(registry.events, ({ _tag }) => _tag === "Disconnected"))
      ]
      registry.changeUnsafe(held, { hold: "congested" })
      registry.changeUnsafe(held, { hold: "admission" })
      registry.leaveUnsafe(held, LEFT)
      for (const told of watching) {
        assert.deepStrictEqual(
          (yield* Fiber.join(told)).map(({ _tag }) => _tag),
          ["Connected", "StateChanged", "Disconnected"]
        )
      }
    }).pipe(Effect.provide(ClientRegistry.layer))
  )

  it.effect("keeps lines for those who watch them by their length, with all that get them but their sender", () =>
    Effect.gen(function* () {
      const registry = yield* ClientRegistry
      const messages = yield* collect(Stream.take(registry.messages, 1))
      const events = yield* collect(Stream.take(registry.events, 1))
      // Of which only one fits.
      const bytes = Buffer.alloc(FEED_CHARACTERS / 2 + 1, "x")
      const recipients = ["10.0.0.1:1", "10.0.0.2:2"].map((address) => new Sender(address))
      for (let i = 0; i < 3; i++) registry.relayedUnsafe("10.0.0.1:1", bytes, 0, bytes.length, recipients)
      const message = { address: "10.0.0.1:1", content: bytes.toString(), to: ["10.0.0.2:2"], missed: 2 }
      assert.deepStrictEqual(yield* Fiber.join(messages), [message])
      assert.deepStrictEqual(yield* Fiber.join(events), [{ _tag: "Relayed", ...message }])
    }).pipe(Effect.provide(ClientRegistry.layer))
  )
})
