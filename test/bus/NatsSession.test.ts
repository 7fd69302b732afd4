/** What NATS keeps for a relay that does not read, with a real server, and what only a made-up connection can show. */
import { assert, describe, it } from "@effect/vitest"
import * as Nats from "@nats-io/transport-node"
import * as Effect from "effect/Effect"
import * as NatsSession from "../../src/bus/NatsSession.ts"
import { UNREAD_MESSAGES } from "../../src/bus/Outbound.ts"
import * as Forwarder from "../support/Forwarder.ts"
import { until } from "../support/Server.ts"
import * as NatsServer from "./NatsServer.ts"

const connected = (servers: string) =>
  Effect.acquireRelease(
    Effect.promise(() => Nats.connect({ servers, noEcho: true })),
    (connection) => Effect.promise(() => connection.close())
  )

const PATIENT_MILLIS = 60_000

/** A session that counts, and knows the last message. */
const opened = Effect.fnUntraced(function* (connection: Nats.NatsConnection) {
  const seen = { messages: 0, last: "", cuts: 0 }
  const onMessage = (message: Uint8Array) => {
    seen.messages++
    seen.last = Buffer.from(message).toString()
  }
  yield* NatsSession.open(connection, { room: onMessage }, PATIENT_MILLIS, {
    onLost: () => {},
    onWarning: () => {},
    onCut: () => void seen.cuts++,
    onServers: () => {},
    report: () => {}
  })
  return seen
})

describe.skipIf(!NatsServer.isInstalled)(
  `NatsSession${NatsServer.isInstalled ? "" : " (skipped: this machine has no nats-server)"}`,
  () => {
    it.live("gets any number of messages as long as it reads them", () =>
      Effect.gen(function* () {
        const nats = yield* NatsServer.started()
        const publisher = yield* connected(nats.url)
        const reader = yield* connected(nats.url)
        const seen = yield* opened(reader)
        // Less at once than what is sure to fit, and more of them.
        const atOnce = UNREAD_MESSAGES / 2 - 100
        for (let sent = 0; sent < 3 * UNREAD_MESSAGES;) {
          for (const end = sent + atOnce; sent < end; sent++) publisher.publish("room", "hello")
          yield* until(
            () => seen.messages === sent,
            () => JSON.stringify(seen)
          )
          // NATS knows that these are read, before it has the next ones from the other connection.
          yield* Effect.promise(() => reader.flush())
        }
        assert.strictEqual(seen.cuts, 0)
      })
    )

    it.live("leaves no more than its window unread at NATS while it hangs, and then finds out and goes on", () =>
      Effect.gen(function* () {
        const nats = yield* NatsServer.started()
        const publisher = yield* connected(nats.url)
        const way = yield* Forwarder.make
        way.target(nats.port, nats.host)
        const seen = yield* opened(yield* connected(`nats://127.0.0.1:${way.port}`))
        way.hold()
        for (let i = 0; i < UNREAD_MESSAGES * 2; i++) publisher.publish("room", "early")
        yield* Effect.promise(() => publisher.flush())
        way.release()
        yield* until(
          () => seen.cuts === 1,
          () => JSON.stringify(seen)
        )
        // Its own probe does not come back to it.
        assert.strictEqual(seen.messages, UNREAD_MESSAGES)
        // The new subscription may still be on its way.
        yield* until(
          () => {
            publisher.publish("room", "late")
            return seen.last === "late"
          },
          () => JSON.stringify(seen)
        )
        assert.strictEqual(seen.cuts, 1)
      })
    )
  }
)

describe("NatsSession on a made-up connection", () => {
  it.effect("subscribes anew before the number of messages has more digits than NATS reads", () =>
    Effect.gen(function* () {
      let received = 0
      let onMessage: (error: null, message: { data: Uint8Array }) => void = () => {}
      const commands: Array<string> = []
      const connection = {
        info: { max_payload: 1_048_576 },
        getServer: () => "nats:4222",
        isClosed: () => false,
        closed: () => new Promise(() => {}),
        close: () => Promise.resolve(),
        flush: () => Promise.resolve(),
        publish: () => {},
        status: () => (async function* () {})(),
        subscribe: (_subject: string, { callback, max }: { callback: typeof onMessage; max: number }) => {
          onMessage = callback
          received = 0
          commands.push(`SUB ${max}`)
          return { getReceived: () => received, unsubscribe: (max?: number) => commands.push(`UNSUB ${max}`) }
        }
      }
      yield* Effect.exit(opened(connection as unknown as Nats.NatsConnection))
      const subscribed = commands.length
      for (const number of [999_990_000, 999_990_100, 999_995_000]) {
        received = number
        onMessage(null, { data: Buffer.from("hello") })
      }
      assert.deepStrictEqual(commands.slice(subscribed), [
        `UNSUB ${999_990_000 + UNREAD_MESSAGES}`,
        "UNSUB undefined",
        `SUB ${UNREAD_MESSAGES}`
      ])
    })
  )
})
