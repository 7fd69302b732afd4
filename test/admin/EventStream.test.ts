import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as EventStream from "../../src/admin/EventStream.ts"
import type { Observed } from "../../src/relay/Feed.ts"
import type { Operations } from "../../src/relay/Operations.ts"
import type { ClientChange } from "../../src/relay/Roster.ts"

const arrival = (n: number, missed = 0): Observed<ClientChange> => ({
  _tag: "Connected",
  missed,
  client: {
    address: `10.0.0.1:${n}`,
    ip: "10.0.0.1",
    transport: "tcp",
    connectedSince: new Date(0),
    linesIn: 0,
    linesOut: 0,
    bytesIn: 0,
    bytesOut: 0,
    bytesWaiting: 0,
    state: "active"
  }
})

/** The `changes` events of a server to which this happens. */
const follow = Effect.fnUntraced(function* () {
  const changes = yield* Queue.unbounded<Observed<ClientChange>>()
  const told: Array<{ readonly addresses: ReadonlyArray<string>; readonly missed: number }> = []
  const operations = { changes: Stream.fromQueue(changes) } as unknown as Operations
  yield* EventStream.make(operations, Effect.succeed({} as never)).pipe(
    Stream.filter((event) => event.startsWith("event: changes\n")),
    Stream.runForEach((event) =>
      Effect.sync(() => {
        const { changes, missed } = JSON.parse(event.slice(event.indexOf("{")))
        told.push({
          addresses: changes.map(({ client }: { client: { address: string } }) => client.address),
          missed
        })
      })
    ),
    Effect.forkScoped
  )
  return { changes, told }
})

/** Lets every fiber go as far as it can at this time. */
const settle = Effect.repeat(Effect.yieldNow, { times: 500 })

const addresses = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => arrival(from + i).client.address)

describe("the changes of an event stream", () => {
  it.effect("are those of a second together, the newest if there are many", () =>
    Effect.gen(function* () {
      const { changes, told } = yield* follow()
      for (let n = 0; n < 5000; n++) Queue.offerUnsafe(changes, arrival(n, n === 10 ? 7 : 0))
      yield* settle
      yield* TestClock.adjust("999 millis")
      assert.deepStrictEqual(told, [])
      yield* TestClock.adjust("2 millis")
      assert.deepStrictEqual(told, [{ addresses: addresses(4980, 5000), missed: 4980 + 7 }])

      Queue.offerUnsafe(changes, arrival(5000))
      yield* settle
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(told.slice(1), [{ addresses: addresses(5000, 5001), missed: 0 }])
    })
  )
})
