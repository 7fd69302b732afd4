/** A whole server in a test, without a socket and without waiting: its parts are swapped, and time is TestClock's. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as MessageFilter from "summoner-server/MessageFilter"
import { RelayServer } from "summoner-server/RelayServer"
import { MemoryListener, TestBroadcaster, TestRateLimiter, TestRelay } from "summoner-server/testing"

/** What is under test: a room in which nobody may shout. */
const messageFilter = MessageFilter.gate((line) =>
  Effect.succeed(line === line.toUpperCase() ? MessageFilter.refuse("Please do not shout.") : MessageFilter.relay())
)

describe("a room without shouting", () => {
  it.effect("refuses upper case, and says so", () =>
    Effect.gen(function* () {
      const { connect, settled } = yield* MemoryListener.MemoryNetwork
      const [a, b] = [yield* connect(), yield* connect()]
      a.send("HELLO\nhello\n")
      yield* settled
      assert.deepStrictEqual(b.lines, [JSON.stringify({ remote_addr: a.address, content: "hello" })])
      assert.deepStrictEqual(a.lines, ["Warning: Please do not shout."])
    }).pipe(Effect.provide(TestRelay.layer({}, { messageFilter })))
  )

  it.effect("forgets who is silent for five minutes", () =>
    Effect.gen(function* () {
      const { connect } = yield* MemoryListener.MemoryNetwork
      const relay = yield* RelayServer
      const client = yield* connect()
      yield* TestClock.adjust("331 seconds")
      assert.deepStrictEqual(client.lines, ["Warning: You have been disconnected due to inactivity."])
      assert.strictEqual((yield* relay.clients).length, 0)
    }).pipe(Effect.provide(TestRelay.layer()))
  )

  it.effect("publishes what the rate limit lets through", () =>
    Effect.gen(function* () {
      const { connect, settled } = yield* MemoryListener.MemoryNetwork
      const { published } = yield* TestBroadcaster.TestBroadcaster
      const client = yield* connect()
      client.send("one\ntwo\nthree\n")
      yield* settled
      assert.deepStrictEqual(
        (yield* published).map(({ content }) => content),
        ["one", "three"]
      )
    }).pipe(
      Effect.provide(
        TestRelay.layer(
          {},
          { broadcaster: TestBroadcaster.layer, rateLimiter: TestRateLimiter.layer([true, false, true]) }
        )
      )
    )
  )
})
