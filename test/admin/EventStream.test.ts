import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as EventStream from "../../src/admin/EventStream.ts"
import type { Observed } from "../../src/internal/EventFeed.ts"
import type { Operations } from "../../src/session/Operations.ts"
import type { ClientChange, RelayedMessage } from "../../src/session/ClientRegistry.ts"

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

/** The `changes` events of a server to which the offered changes happen. */
const follow = Effect.fnUntraced(function* () {
  const changes = yield* Queue.unbounded<Observed<ClientChange>>()
  let [offered, counted] = [0, 0]
  const offer = (change: Observed<ClientChange>) => {
    const { missed } = change
    offered++
    Queue.offerUnsafe(changes, {
      ...change,
      // The last that a batch reads of a change.
      get missed() {
        counted++
        return missed
      }
    })
  }
  const told: Array<{ readonly addresses: ReadonlyArray<string>; readonly missed: number }> = []
  const operations = { changes: Stream.fromQueue(changes) } as unknown as Operations
  yield* EventStream.events(operations, Effect.succeed({} as never)).pipe(
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
  /** Waits until each change is in a batch. */
  const batched = until(() => counted === offered)
  return { offer, batched, told }
})

/** Lets other fibers run until that is so, at this time of the test's clock. */
const until = (condition: () => boolean) => Effect.yieldNow.pipe(Effect.repeat({ until: condition }))

const addresses = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => arrival(from + i).client.address)

describe("the changes of an event stream", () => {
  it.effect("tell once a second what has happened in it, the newest if there is much", () =>
    Effect.gen(function* () {
      const { batched, offer, told } = yield* follow()
      for (let n = 0; n < 5000; n++) offer(arrival(n, n === 10 ? 7 : 0))
      yield* batched
      yield* TestClock.adjust("999 millis")
      assert.deepStrictEqual(told, [])
      yield* TestClock.adjust("2 millis")
      yield* until(() => told.length > 0)
      assert.deepStrictEqual(told, [{ addresses: addresses(4980, 5000), missed: 4980 + 7 }])

      offer(arrival(5000))
      yield* batched
      yield* TestClock.adjust("5 seconds")
      yield* until(() => told.length > 1)
      assert.deepStrictEqual(told.slice(1), [{ addresses: addresses(5000, 5001), missed: 0 }])
    })
  )
})

describe("the messages of an event stream", () => {
  it.effect("are the newest of each second, cut to five hundred characters, and how many were left out", () =>
    Effect.gen(function* () {
      const relayed = yield* Queue.unbounded<Observed<RelayedMessage>>()
      const told: Array<{ readonly messages: ReadonlyArray<object>; readonly missed: number }> = []
      yield* EventStream.messages({ messages: Stream.fromQueue(relayed) } as unknown as Operations).pipe(
        Stream.runForEach((event) => Effect.sync(() => told.push(JSON.parse(event.slice(event.indexOf("{")))))),
        Effect.forkScoped
      )
      yield* until(() => told.length === 1)
      assert.deepStrictEqual(told, [{ messages: [], missed: 0 }])
      for (let n = 0; n < 30; n++) {
        Queue.offerUnsafe(relayed, { address: "10.0.0.1:1", content: `${n}`, missed: n === 3 ? 5 : 0 })
      }
      Queue.offerUnsafe(relayed, { address: "operator", content: "😀".repeat(400), missed: 0 })
      yield* until(() => Queue.sizeUnsafe(relayed) === 0)
      yield* TestClock.adjust("1 second")
      yield* until(() => told.some(({ messages }) => messages.length > 0))
      const { messages, missed } = told.find(({ messages }) => messages.length > 0)!
      assert.strictEqual(messages.length, 20)
      assert.strictEqual(missed, 11 + 5)
      const at = new Date(0).toISOString()
      assert.deepStrictEqual(messages[18], { at, from: "10.0.0.1:1", content: "29", omitted: 0 })
      assert.deepStrictEqual(messages[19], { at, from: "operator", content: "😀".repeat(250), omitted: 300 })
      // A silent room is not a lost connection.
      const before = told.length
      yield* TestClock.adjust("2 seconds")
      yield* until(() => told.length > before + 1)
    })
  )
})
