import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { availableParallelism } from "node:os"
import * as Certificates from "../support/Certificates.ts"
import { healthyReaders } from "./form.ts"
import * as PacedReader from "./PacedReader.ts"
import * as Relay from "./Relay.ts"

const { evictingLimits, limits, lines: BURST_LINES, speeds } = healthyReaders
const LINE_BYTES = 65_400

const burst = Array.from({ length: BURST_LINES }, (_, i) => i)

/** Logs who comes and goes, and nothing of what is said. */
const logger = { log_level: "INFO", log_keys: [] }

/** Sends the burst as fast as the server takes it. */
const sendBurst = (sender: PacedReader.PacedReader) => {
  for (const number of burst) sender.say(PacedReader.lineOf(number, LINE_BYTES))
}

/** Waits until the server has let all of them in: one hears from each of the others. */
const gathered = (witness: PacedReader.PacedReader, others: ReadonlyArray<PacedReader.PacedReader>) =>
  Effect.andThen(
    Effect.sync(() => {
      for (const [i, other] of others.entries()) other.say(PacedReader.lineOf(i, 100))
    }),
    witness.until(() => witness.numbers.length === others.length)
  )

/** Readers of several speeds, each of which must get the whole burst. */
const keepUp = Effect.fnUntraced(function* (
  sender: PacedReader.PacedReader,
  readers: ReadonlyArray<{ readonly name: string; readonly speed: number; readonly reader: PacedReader.PacedReader }>
) {
  yield* gathered(
    sender,
    readers.map(({ reader }) => reader)
  )
  const first = readers.map(({ reader }) => reader.numbers.length)
  for (const { reader, speed } of readers) reader.pace(speed)
  sendBurst(sender)
  const isComplete = (reader: PacedReader.PacedReader) => reader.numbers.at(-1) === BURST_LINES - 1
  yield* Effect.forEach(readers, ({ reader }) => reader.until(() => isComplete(reader)), { concurrency: "unbounded" })
  for (const [i, { name, reader, speed }] of readers.entries()) {
    const numbers = reader.numbers.slice(first[i])
    assert.deepStrictEqual(
      { numbers: numbers.slice(-BURST_LINES), notices: reader.notices, ended: reader.ended() },
      { numbers: burst, notices: [], ended: false },
      `${name}, ${speed} bytes/s`
    )
  }
})

const inRoom = Effect.fnUntraced(function* (threads: number) {
  const relay = yield* Relay.talkative({
    logger,
    limits: { ...limits, worker_threads: threads },
    groups: { websocket: { port: 0 } }
  })
  const [, webSocketPort] = yield* relay.printed(/listening on ws:\S*:(\d+)/)
  const sender = yield* PacedReader.connect(relay.port)
  const readers = []
  for (const speed of speeds) {
    readers.push({ name: "TCP", speed, reader: yield* PacedReader.connect(relay.port) })
    readers.push({ name: "WebSocket", speed, reader: yield* PacedReader.connectWebSocket(Number(webSocketPort)) })
  }
  yield* keepUp(sender, readers)
  assert.notInclude(relay.output(), "too slowly")
})

const inTlsRoom = Effect.fnUntraced(function* (threads: number) {
  const certificates = yield* Certificates.make
  const relay = yield* Relay.talkative({
    logger,
    limits: { ...limits, worker_threads: threads },
    groups: { tls: certificates.config }
  })
  const connect = PacedReader.connect(relay.port, certificates.client())
  const sender = yield* connect
  const readers = []
  for (const speed of speeds) readers.push({ name: "TLS", speed, reader: yield* connect })
  yield* keepUp(sender, readers)
  assert.notInclude(relay.output(), "too slowly")
})

describe.concurrent("a burst as large as the rate limit allows", () => {
  it.live("reaches readers of a few MB/s over TCP and WebSocket, and ends none of them", () => inRoom(1))

  it.live.skipIf(!Certificates.hasOpenssl)(
    `reaches readers of a few MB/s over TLS, and ends none of them${Certificates.withOpenssl}`,
    () => inTlsRoom(1)
  )

  it.live.skipIf(availableParallelism() < 2)("reaches such readers in every one of two relay processes", () =>
    inRoom(2)
  )
})

describe("a client that takes a byte a second", () => {
  it.live("is evicted by such bursts, which reach the others whole", () =>
    Effect.gen(function* () {
      const relay = yield* Relay.talkative({ logger, limits: evictingLimits })
      const sender = yield* PacedReader.connect(relay.port)
      const reader = yield* PacedReader.connect(relay.port)
      const trickle = yield* PacedReader.connect(relay.port)
      yield* gathered(sender, [reader, trickle])
      trickle.pace(1)
      // The other one's greeting comes first.
      yield* reader.until(() => reader.numbers.length === 1)
      const first = 1
      let bursts = 0
      do {
        sendBurst(sender)
        bursts++
        yield* reader.until(() => reader.numbers.length >= first + bursts * BURST_LINES)
      } while (!/disconnected: reading too slowly/.test(relay.output()))
      const expected = Array.from({ length: bursts }, () => burst).flat()
      assert.deepStrictEqual(reader.numbers.slice(first), expected)
      assert.deepStrictEqual(reader.notices, [])
      yield* relay.printed(new RegExp(`127\\.0\\.0\\.1:${trickle.port} disconnected: reading too slowly`))
    })
  )
})
