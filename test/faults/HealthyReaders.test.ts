import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Certificates from "../support/Certificates.ts"
import { threadCounts } from "../support/threadCounts.ts"
import { healthyReaders } from "./form.ts"
import * as PacedReader from "./PacedReader.ts"
import * as Relay from "./Relay.ts"

const { evictingLimits, limits, limitsOfTwo, lines: BURST_LINES, speeds } = healthyReaders
const LINE_BYTES = 65_400
/** Lines between two looks at whether somebody is slow. */
const ROUND_LINES = 5
/** From here on numbers are those of greetings. */
const GREETING = 1_000_000

const burst = Array.from({ length: BURST_LINES }, (_, i) => i)

/** Logs who comes and goes, and nothing of what is said. */
const logger = { log_level: "INFO", log_keys: [] } as const

/** Sends the burst as fast as the server takes it. */
const sendBurst = (sender: PacedReader.PacedReader) => {
  for (const number of burst) sender.say(PacedReader.lineOf(number, LINE_BYTES))
}

/** Waits until the server has let all of them in: one hears from each of the others. */
const gathered = Effect.fnUntraced(function* (
  witness: PacedReader.PacedReader,
  others: ReadonlyArray<PacedReader.PacedReader>
) {
  const missing = () => others.filter((_, i) => !witness.numbers.includes(GREETING + i))
  while (missing().length > 0) {
    for (const other of missing()) other.say(PacedReader.lineOf(GREETING + others.indexOf(other), 100))
    // Those that came before the witness was let in were not for it.
    yield* Effect.timeoutOption(
      witness.until(() => missing().length === 0),
      "300 millis"
    )
  }
})

/** Without greetings, which may come late from another thread. */
const linesOf = ({ numbers }: PacedReader.PacedReader) => numbers.filter((number) => number < GREETING)

/** Readers of several speeds, each of which must get the whole burst though the kernel has room for none of it when it comes. */
const keepUp = Effect.fnUntraced(function* (
  relay: Pick<Relay.Relay, "output" | "printed">,
  connect: ReturnType<typeof PacedReader.connect>,
  readers: ReadonlyArray<{ readonly name: string; readonly speed: number; readonly reader: PacedReader.PacedReader }>
) {
  const [sender, witness] = [yield* connect, yield* connect]
  const all = [witness, ...readers.map(({ reader }) => reader)]
  yield* gathered(sender, all)
  for (const { reader } of readers) reader.hold()
  let sent = 0
  const send = (lines: number) => {
    for (const end = sent + lines; sent < end; sent++) sender.say(PacedReader.lineOf(sent, LINE_BYTES))
  }
  const hasAll = (reader: PacedReader.PacedReader) => reader.numbers.includes(sent - 1)
  const isSlow = yield* Effect.forkScoped(relay.printed(/ slow$/m))
  while (isSlow.pollUnsafe() === undefined) {
    send(ROUND_LINES)
    // The room may wait for them already.
    yield* Effect.raceFirst(
      witness.until(() => hasAll(witness)),
      Fiber.join(isSlow)
    )
  }
  for (const { reader, speed } of readers) reader.pace(speed)
  send(BURST_LINES)
  yield* Effect.forEach(all, (reader) => reader.until(() => hasAll(reader)), { concurrency: "unbounded" })
  const expected = Array.from({ length: sent }, (_, i) => i)
  for (const [i, reader] of all.entries()) {
    const { name, speed } = readers[i - 1] ?? { name: "unpaced", speed: Infinity }
    assert.deepStrictEqual(
      { numbers: linesOf(reader), notices: reader.notices, ended: reader.ended() },
      { numbers: expected, notices: [], ended: false },
      `${name}, ${speed} bytes/s`
    )
  }
  assert.notInclude(relay.output(), "too slowly")
})

const inRoom = Effect.fnUntraced(function* (threads: number, version: string, isSecure: boolean) {
  const certificates = isSecure ? yield* Certificates.make : undefined
  const tls = certificates?.client()
  const relay = yield* Relay.inProcess({
    logger,
    limits: { ...(threads === 1 ? limits : limitsOfTwo), worker_threads: threads },
    groups: { version, websocket: { port: 0 }, tls: certificates?.config ?? {} }
  })
  const [, webSocketPort] = yield* relay.printed(/listening on wss?:\S*:(\d+)/)
  const connect = PacedReader.connect(relay.port, tls)
  const readers = []
  for (const speed of speeds) {
    readers.push({ name: "TCP", speed, reader: yield* connect })
    readers.push({ name: "WebSocket", speed, reader: yield* PacedReader.connectWebSocket(Number(webSocketPort), tls) })
  }
  yield* keepUp(relay, connect, readers)
})

describe.concurrent.each(threadCounts)("a burst as large as the rate limit allows, with %i thread(s),", (threads) => {
  it.live("reaches readers of a few MB/s over TCP and WebSocket, and ends none of them", () =>
    inRoom(threads, "rust", false)
  )

  it.live.skipIf(!Certificates.hasOpenssl)(
    `reaches readers of a few MB/s over TLS, in the python profile, too, and ends none of them${Certificates.withOpenssl}`,
    () => inRoom(threads, "python", true)
  )
})

describe("a burst as large as the rate limit allows, sent through the HTTP server of a program,", () => {
  // A server with a mount has one thread.
  it.live("reaches WebSocket readers of a few MB/s, and ends none of them", () =>
    Effect.gen(function* () {
      const relay = yield* Relay.mounted(limits, logger)
      const connect = PacedReader.connectWebSocket(relay.port)
      const readers = yield* Effect.forEach(speeds, (speed) =>
        Effect.map(connect, (reader) => ({ name: "mount", speed, reader }))
      )
      yield* keepUp(relay, connect, readers)
    })
  )
})

describe("a client that takes a byte a second", () => {
  it.live("is evicted by bursts of lines, which reach the others whole", () =>
    Effect.gen(function* () {
      const relay = yield* Relay.inProcess({ logger, limits: evictingLimits })
      const sender = yield* PacedReader.connect(relay.port)
      const reader = yield* PacedReader.connect(relay.port)
      const trickle = yield* PacedReader.connect(relay.port)
      yield* gathered(sender, [reader, trickle])
      trickle.pace(1)
      let bursts = 0
      do {
        sendBurst(sender)
        bursts++
        yield* reader.until(() => linesOf(reader).length >= bursts * BURST_LINES)
      } while (!/disconnected: reading too slowly/.test(relay.output()))
      const expected = Array.from({ length: bursts }, () => burst).flat()
      assert.deepStrictEqual(linesOf(reader), expected)
      assert.deepStrictEqual(reader.notices, [])
      yield* relay.printed(new RegExp(`127\\.0\\.0\\.1:${trickle.port} disconnected: reading too slowly`))
    })
  )
})
