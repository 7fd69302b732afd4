import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { RelayLogger } from "../../src/logging/RelayLogger.ts"
import { Backpressure } from "../../src/limits/Backpressure.ts"
import { Broadcaster } from "../../src/room/Broadcaster.ts"
import * as Envelope from "../../src/protocol/Envelope.ts"
import { ClientLimits } from "../../src/limits/ClientLimits.ts"
import { IdleTimeout, type Watched } from "../../src/limits/IdleTimeout.ts"
import * as Notice from "../../src/protocol/Notice.ts"
import { Quarantine } from "../../src/limits/Quarantine.ts"
import { RateLimiter } from "../../src/limits/RateLimiter.ts"
import { ClientRegistry } from "../../src/session/ClientRegistry.ts"
import { Session } from "../../src/session/Session.ts"
import { ServerConfig, type Values } from "../../src/config/ServerConfig.ts"
import * as TestBackpressure from "../../src/testing/TestBackpressure.ts"
import * as TestQuarantine from "../../src/testing/TestQuarantine.ts"
import * as arbitraries from "../support/Arbitraries.ts"
import { MemoryConnection, type Options } from "../../src/testing/MemoryConnection.ts"
import { runs } from "../support/runs.ts"

type HyperParameters = NonNullable<NonNullable<Parameters<typeof ServerConfig.layerTest>[0]>["hyper_parameters"]>
type Services = RateLimiter | Backpressure | ClientLimits | IdleTimeout | Quarantine | Broadcaster

const GRACE_MILLIS = 2000

/** A relay without a listener: clients come by `connect`. Services given replace those of the Rust profile. */
const start = Effect.fnUntraced(function* (
  hyper_parameters: HyperParameters = {},
  options: {
    readonly version?: Values["version"]
    readonly log_level?: Values["logger"]["log_level"]
    readonly replaced?: Layer.Layer<never> | Layer.Layer<Services>
  } = {}
) {
  const log: Array<string> = []
  const services = Layer.mergeAll(
    RateLimiter.layerFixedWindow,
    Backpressure.layer,
    ClientLimits.layer,
    IdleTimeout.layer,
    Quarantine.layer,
    Broadcaster.layer
  ).pipe(
    Layer.merge(options.replaced ?? Layer.empty),
    Layer.provideMerge(ClientRegistry.layer),
    Layer.provideMerge(RelayLogger.layerTest(log, options.log_level && { log_level: options.log_level })),
    Layer.provideMerge(
      ServerConfig.layerTest({
        version: options.version ?? "rust",
        hyper_parameters: { shutdown_grace_ms: GRACE_MILLIS, ...hyper_parameters }
      })
    )
  )
  const context = yield* Layer.build(Session.layer.pipe(Layer.provideMerge(services)))
  const { run: session } = yield* Effect.provideContext(Session, context)
  let clients = 0

  const connect = Effect.fnUntraced(function* (options?: Options) {
    const n = ++clients
    const connection = new MemoryConnection(`10.0.0.${n}:${n}`, options)
    const fiber = yield* session(connection).pipe(
      Effect.provide(context),
      Effect.forkDetach({ startImmediately: true })
    )
    return { connection, fiber, n }
  })
  return {
    connect,
    log,
    /** What the log says of one client's troubles. */
    warnings: () => log.filter((line) => !line.startsWith("INFO")),
    limits: yield* Effect.provide(ClientLimits, context),
    broadcaster: yield* Effect.provide(Broadcaster, context),
    quarantine: yield* Effect.provide(Quarantine, context)
  }
})

type Client = Effect.Success<ReturnType<Effect.Success<ReturnType<typeof start>>["connect"]>>

const envelope = ({ connection }: Client, content: string) =>
  JSON.stringify({ remote_addr: connection.address, content })

/** Lets `sender` say something and waits until `listener` has it, and with it everything that was said before. */
const roundTrip = Effect.fnUntraced(function* (sender: Client, listener: Client) {
  sender.connection.send("marker\n")
  yield* listener.connection.until((self) => self.lines.at(-1) === envelope(sender, "marker"))
  return listener.connection.lines.filter((line) => line !== envelope(sender, "marker"))
})

const LINE_FEED = Buffer.from("\n")

const without = (notice: string) => notice.slice(0, -1)

/** How often the log says that something happened. */
const sumOf = (lines: ReadonlyArray<string>, incident: string) => {
  const told = lines.flatMap((line) => [...line.matchAll(new RegExp(`${incident}(?: (\\d+) times)?`, "g"))])
  return told.reduce((sum, [, times]) => sum + Number(times ?? 1), 0)
}

/** Lines that make envelopes of about a hundred bytes. */
const burst = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => `${from + i} ${"x".repeat(50)}\n`).join("")

describe("Session", () => {
  describe("relaying", () => {
    it.live("gives others their turn while a client sends more and more", () =>
      Effect.gen(function* () {
        const { connect } = yield* start({ rate_limit_msgs_per_minute: 4294967295 })
        const [busy, other, listener] = [yield* connect(), yield* connect(), yield* connect()]
        const chunk = `${"x".repeat(1023)}\n`.repeat(64)
        for (let n = 0; n < 20; n++) busy.connection.send(chunk)
        other.connection.send("me, too\n")
        const lines = yield* listener.connection.readLines(20 * 64 + 1)
        // A turn is 128 KiB, and what has been read by then.
        assert.include([2 * 64, 3 * 64], lines.indexOf(envelope(other, "me, too")))
      })
    )

    it.effect("brings every line to everybody else, as an envelope, and to the log", () =>
      Effect.gen(function* () {
        const { connect, log } = yield* start()
        const [a, b, c] = [yield* connect(), yield* connect(), yield* connect()]
        a.connection.send('{"hello":"wörld"}\r\n\n')
        a.connection.send("cut ")
        a.connection.send("in two\n")
        for (const { connection } of [b, c]) {
          assert.deepStrictEqual(yield* connection.readLines(3), [
            '{"remote_addr":"10.0.0.1:1","content":"{\\"hello\\":\\"wörld\\"}"}',
            '{"remote_addr":"10.0.0.1:1","content":""}',
            '{"remote_addr":"10.0.0.1:1","content":"cut in two"}'
          ])
        }
        assert.deepStrictEqual(yield* roundTrip(b, a), [])
        assert.includeMembers(log, ['INFO From 10.0.0.1:1: {"hello":"wörld"}', "INFO From 10.0.0.1:1: cut in two"])
        assert.match(log[2]!, /^INFO 10\.0\.0\.3:3 connected \(.*\b3\b.*\)$/)
      })
    )

    it.effect("relays the last line of a client that half-closes, brings it what is due, and closes", () =>
      Effect.gen(function* () {
        const { broadcaster, connect, log, quarantine } = yield* start()
        const [a, b] = [yield* connect(), yield* connect()]
        a.connection.stopReading()
        b.connection.send("for a\n")
        yield* a.connection.until((self) => self.unsentBytes() > 0)
        a.connection.send("one\ntw")
        a.connection.send("o")
        a.connection.endStream()
        assert.deepStrictEqual(yield* b.connection.readLines(2), [envelope(a, "one"), envelope(a, "two")])
        assert.strictEqual(broadcaster.sizeUnsafe(), 1)
        a.connection.resumeReading()
        yield* Fiber.join(a.fiber)
        assert.strictEqual(a.connection.received, `${envelope(b, "for a")}\n`)
        assert.deepStrictEqual([a.connection.ends, a.connection.isClosed], [1, true])
        assert.strictEqual(quarantine.remainingMillisUnsafe(a.connection), 0)
        assert.match(log.at(-1)!, /^INFO 10\.0\.0\.1:1 disconnected: closed by the client \(.*\b1\b.*\)$/)
      })
    )

    it.effect("takes a reset for a departure like any other", () =>
      Effect.gen(function* () {
        const { broadcaster, connect, log, warnings } = yield* start()
        const [a, b] = [yield* connect(), yield* connect()]
        a.connection.send("last words\n")
        a.connection.reset("ECONNRESET")
        yield* Fiber.join(a.fiber)
        assert.deepStrictEqual(yield* b.connection.readLines(1), [envelope(a, "last words")])
        assert.deepStrictEqual([warnings(), broadcaster.sizeUnsafe()], [[], 1])
        assert.match(log.at(-1)!, /disconnected: ECONNRESET/)
      })
    )
  })

  describe("lines that are not relayed", () => {
    it.effect("answers each line over the rate limit with the notice, until the minute is over", () =>
      Effect.gen(function* () {
        const { connect } = yield* start({ rate_limit_msgs_per_minute: 3 })
        const [a, b] = [yield* connect(), yield* connect()]
        a.connection.send("1\n2\n3\n4\n5\n")
        yield* a.connection.readLines(2)
        a.connection.send("6\n")
        assert.strictEqual((yield* a.connection.readLines(3)).length, 3)
        assert.strictEqual(
          a.connection.received,
          "Warning: You are sending messages too quickly. Please slow down.\n".repeat(3)
        )
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(
          yield* roundTrip(a, b),
          ["1", "2", "3"].map((line) => envelope(a, line))
        )
      })
    )

    it.effect("answers each line of a burst, however many there are in one chunk", () =>
      Effect.gen(function* () {
        const { connect } = yield* start({ rate_limit_msgs_per_minute: 300 })
        const [a] = [yield* connect(), yield* connect()]
        a.connection.send("x\n".repeat(20_000))
        yield* a.connection.until((self) => self.isAwaited)
        assert.strictEqual(a.connection.lines.length, 20_000 - 300)
        assert.isTrue(a.connection.lines.every((line) => line === without(Notice.RATE_LIMITED)))
      })
    )

    it.effect("drops a line that is too long, or too long as an envelope, and relays the next", () =>
      Effect.gen(function* () {
        const { connect } = yield* start({ max_line_bytes: 256 })
        const [a, b] = [yield* connect(), yield* connect()]
        const longest = "x".repeat(256 - Envelope.prefix(a.connection.address).length - Envelope.SUFFIX_BYTES)
        a.connection.send(`${longest}\n${longest}x\n`)
        a.connection.send("y".repeat(10_000))
        a.connection.send(`yy\n${'"'.repeat(150)}\nnext\n`)
        const notice = "Warning: Message exceeds 256 bytes and was dropped."
        assert.deepStrictEqual(yield* a.connection.readLines(3), [notice, notice, notice])
        assert.deepStrictEqual(yield* roundTrip(a, b), [envelope(a, longest), envelope(a, "next")])
        assert.strictEqual(a.connection.lines.length, 3)
      })
    )

    it.effect("drops a line that is not UTF-8, and relays the next", () =>
      Effect.gen(function* () {
        const { connect } = yield* start()
        const [a, b] = [yield* connect(), yield* connect()]
        a.connection.send(Buffer.from([0x61, 0xff, 0x0a, 0x62, 0x0a]))
        assert.deepStrictEqual(yield* roundTrip(a, b), [envelope(a, "b")])
        assert.strictEqual(a.connection.received, "Warning: Message is not valid UTF-8 and was dropped.\n")
      })
    )

    it.effect("logs a flood in few lines, and every one of it in the sums", () =>
      Effect.gen(function* () {
        const { connect, warnings } = yield* start({ rate_limit_msgs_per_minute: 1, max_line_bytes: 256 })
        const a = yield* connect()
        for (let i = 0; i < 100; i++) {
          a.connection.send(`${"flood\n".repeat(10)}${"x".repeat(300)}\n`)
          yield* TestClock.adjust(100)
        }
        a.connection.endStream()
        yield* Fiber.join(a.fiber)
        assert.isAtMost(warnings().length, 4)
        assert.deepStrictEqual(
          ["rate limited", "oversized"].map((incident) => sumOf(warnings(), incident)),
          [999, 100]
        )
      })
    )
  })

  describe("idle timeout", () => {
    it.effect("tells a client that says nothing, and closes it, whatever it receives", () =>
      Effect.gen(function* () {
        const { connect, warnings } = yield* start({ client_timeout_secs: 10, timeout_check_interval_secs: 1 })
        const [silent, chatty] = [yield* connect(), yield* connect()]
        for (let i = 0; i < 9; i++) {
          yield* TestClock.adjust("1 second")
          yield* roundTrip(chatty, silent)
        }
        assert.isFalse(silent.connection.isClosed)
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.await(silent.fiber)
        assert.strictEqual(silent.connection.lines.at(-1), "Warning: You have been disconnected due to inactivity.")
        assert.strictEqual(silent.connection.lines.length, 10)
        assert.isFalse(chatty.connection.isClosed)
        assert.match(warnings().join(), /^WARNING 10\.0\.0\.1:1 disconnected: idle/)
      })
    )

    it.effect("takes a line for a sign of life, whatever becomes of it", () =>
      Effect.gen(function* () {
        const { connect } = yield* start({
          client_timeout_secs: 10,
          timeout_check_interval_secs: 1,
          max_line_bytes: 1024,
          rate_limit_msgs_per_minute: 1
        })
        const clients = yield* Effect.forEach(["x".repeat(2000), Buffer.from([0xc3, 0x28]), "too many"], (line) =>
          Effect.map(connect(), ({ connection }) => ({
            connection,
            line: Buffer.concat([Buffer.from(line), LINE_FEED])
          }))
        )
        for (let i = 0; i < 30; i++) {
          for (const { connection, line } of clients) connection.send(line)
          yield* TestClock.adjust("1 second")
        }
        assert.deepStrictEqual(
          clients.map(({ connection }) => connection.isClosed),
          [false, false, false]
        )
        yield* TestClock.adjust("12 seconds")
        assert.deepStrictEqual(
          clients.map(({ connection }) => connection.isClosed),
          [true, true, true]
        )
      })
    )

    it.effect("does not take a step of the time of day for silence", () => {
      let step = 0
      const steppedClock = Effect.map(Clock.Clock, (clock): Clock.Clock =>
        Object.assign(Object.create(clock), { currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + step })
      )
      return Effect.gen(function* () {
        const { connect } = yield* start({ client_timeout_secs: 10, timeout_check_interval_secs: 1 })
        const silent = yield* connect()
        step = 3_600_000
        yield* TestClock.adjust("9 seconds")
        assert.isFalse(silent.connection.isClosed)
        yield* TestClock.adjust("2 seconds")
        assert.isTrue(silent.connection.isClosed)
      }).pipe(Effect.provideServiceEffect(Clock.Clock, steppedClock))
    })

    it.effect("does not hold the server's own delays against a client", () =>
      Effect.gen(function* () {
        const { connect } = yield* start({
          client_timeout_secs: 2,
          timeout_check_interval_secs: 1,
          flow_control_delay_ms: 60_000,
          backpressure_policy: { flow_control_threshold: 1 }
        })
        const [a, b] = [yield* connect(), yield* connect()]
        a.connection.send("1\n2\n")
        yield* TestClock.adjust(59_999)
        assert.deepStrictEqual([a.connection.isClosed, b.connection.isClosed], [false, true])
      })
    )

    it.effect("measures a client's silence anew after a delay of the server's", () =>
      Effect.gen(function* () {
        const { connect } = yield* start({
          client_timeout_secs: 10,
          timeout_check_interval_secs: 1,
          flow_control_delay_ms: 30_000,
          backpressure_policy: { flow_control_threshold: 1 }
        })
        const [a] = [yield* connect(), yield* connect()]
        a.connection.send("1\n")
        yield* TestClock.adjust(39_000)
        assert.isFalse(a.connection.isClosed)
        yield* TestClock.adjust(2_000)
        assert.isTrue(a.connection.isClosed)
      })
    )
  })

  describe("backpressure", () => {
    it.effect("throttles a burst of k lines into a large room to (k - 1) delays, and nobody else", () =>
      Effect.gen(function* () {
        const { connect } = yield* start({ throttle_delay_ms: 200, backpressure_policy: { throttle_threshold: 2 } })
        const [a, b, listener] = [yield* connect(), yield* connect(), yield* connect()]
        a.connection.send("0\n1\n2\n3\n4\n")
        for (let n = 0; n < 5; n++) {
          const expected = Array.from({ length: n + 1 }, (_, i) => envelope(a, `${i}`))
          assert.deepStrictEqual(yield* roundTrip(b, listener), expected)
          yield* TestClock.adjust(199)
          assert.deepStrictEqual(yield* roundTrip(b, listener), expected)
          yield* TestClock.adjust(1)
        }
      })
    )

    it.effect("does not read a paused client until the delay is over", () =>
      Effect.gen(function* () {
        const { connect } = yield* start({
          flow_control_delay_ms: 1000,
          backpressure_policy: { flow_control_threshold: 1 }
        })
        const [a, b] = [yield* connect(), yield* connect()]
        a.connection.send("1\n")
        yield* b.connection.readLines(1)
        a.connection.send("2\n")
        yield* TestClock.adjust(999)
        assert.isFalse(a.connection.isAwaited)
        assert.deepStrictEqual(b.connection.lines, [envelope(a, "1")])
        yield* TestClock.adjust(1)
        assert.deepStrictEqual(yield* b.connection.readLines(2), [envelope(a, "1"), envelope(a, "2")])
      })
    )

    it.effect("lets a sender alone whose room is not large enough", () =>
      Effect.gen(function* () {
        const { connect } = yield* start({
          backpressure_policy: { throttle_threshold: 2, flow_control_threshold: 3, disconnect_threshold: 4 }
        })
        const [a, b] = [yield* connect(), yield* connect()]
        a.connection.send("1\n2\n3\n")
        assert.strictEqual((yield* b.connection.readLines(3)).length, 3)
      })
    )

    it.effect("says nothing of a quarantine where there is none", () =>
      Effect.gen(function* () {
        const { connect, quarantine, warnings } = yield* start({
          quarantine_cooldown_secs: 0,
          backpressure_policy: { disconnect_threshold: 1 }
        })
        const [a] = [yield* connect(), yield* connect()]
        a.connection.send("too many of you\n")
        yield* Fiber.join(a.fiber)
        assert.deepStrictEqual(warnings(), [
          "WARNING 10.0.0.1:1 disconnected: force-disconnected: backpressure (1 client)"
        ])
        assert.deepStrictEqual(quarantine.listUnsafe(), [])
      })
    )

    it.effect("says who else a ban of an IP address is about, and what lifts it", () =>
      Effect.gen(function* () {
        const { connect, limits, warnings } = yield* start({ backpressure_policy: { disconnect_threshold: 1 } })
        const [a, b] = [yield* connect(), yield* connect()]
        // The gate counts them: the one that is banned, and two others from there.
        for (const { connection } of [a, a, a, b]) limits.enterUnsafe(connection)
        a.connection.send("too many of you\n")
        yield* Fiber.join(a.fiber)
        const line = `WARNING ${a.connection.ip} cannot connect again for 300 s, clients still connected from there: 2;`
        assert.include(warnings().join("\n"), line)
        assert.include(warnings().join("\n"), `POST /api/lift on the admin port ends it`)
      })
    )

    it.effect("disconnects and quarantines the sender, and does not relay that line", () =>
      Effect.gen(function* () {
        const { broadcaster, connect, quarantine, warnings } = yield* start({
          quarantine_cooldown_secs: 60,
          backpressure_policy: { disconnect_threshold: 2 }
        })
        const [a, b] = [yield* connect(), yield* connect()]
        a.connection.send("welcome\n")
        yield* b.connection.readLines(1)
        yield* connect()
        a.connection.send("too many\nof you\n")
        yield* Fiber.join(a.fiber)
        assert.strictEqual(a.connection.received, Notice.BACKPRESSURE)
        assert.isTrue(a.connection.isClosed)
        assert.strictEqual(quarantine.remainingMillisUnsafe(a.connection), 60_000)
        assert.strictEqual(broadcaster.sizeUnsafe(), 2)
        assert.deepStrictEqual(yield* roundTrip(b, b).pipe(Effect.timeoutOption(0), Effect.as(b.connection.lines)), [
          envelope(a, "welcome")
        ])
        assert.match(warnings().join(), /^WARNING 10\.0\.0\.1:1 disconnected: .*quarantined.*backpressure/)
      })
    )
  })

  describe("slow readers", () => {
    const slow_consumer = { soft_limit_bytes: 2000, hard_limit_bytes: 20_000, stall_grace_ms: 100 }

    it.effect("pauses senders while one is above the soft limit, and loses nothing", () =>
      Effect.gen(function* () {
        const { connect } = yield* start({ slow_consumer })
        const [a, slow, listener] = [yield* connect(), yield* connect(), yield* connect()]
        slow.connection.stopReading()
        a.connection.send(burst(0, 50))
        yield* listener.connection.readLines(50)
        a.connection.send(burst(50, 50))
        yield* TestClock.adjust(99)
        assert.strictEqual(listener.connection.lines.length, 50)
        slow.connection.resumeReading()
        yield* listener.connection.readLines(100)
        yield* slow.connection.readLines(100)
        assert.strictEqual(slow.connection.received, listener.connection.received)
      })
    )

    it.effect("goes on after the grace, says so in the log, and disconnects at the hard limit", () =>
      Effect.gen(function* () {
        const { broadcaster, connect, warnings } = yield* start({ slow_consumer })
        const [a, slow, listener] = [yield* connect(), yield* connect({ capacity: 500 }), yield* connect()]
        slow.connection.stopReading()
        for (let i = 0; i < 5; i++) {
          a.connection.send(burst(i * 20, 20))
          yield* TestClock.adjust(100)
          yield* listener.connection.readLines((i + 1) * 20)
        }
        assert.match(warnings().join(), /^WARNING 10\.0\.0\.2:2 slow$/)
        assert.strictEqual(broadcaster.sizeUnsafe(), 3)
        a.connection.send(burst(100, 150))
        yield* listener.connection.readLines(250)
        assert.strictEqual(broadcaster.sizeUnsafe(), 2)
        slow.connection.resumeReading()
        yield* Fiber.await(slow.fiber)
        assert.strictEqual(slow.connection.lines.at(-1), without(Notice.TOO_SLOW))
        // Up to the end, whole lines and none missing.
        const lines = slow.connection.lines.slice(0, -1)
        assert.deepStrictEqual(lines, listener.connection.lines.slice(0, lines.length))
        assert.match(warnings().join(), /disconnected: reading too slowly/)
      })
    )

    for (const policy of ["drop_oldest", "drop_newest"] as const) {
      it.effect(`${policy}: tells the client and the log how many messages are missing`, () =>
        Effect.gen(function* () {
          const { connect, warnings } = yield* start({ slow_consumer: { ...slow_consumer, policy } })
          const [a, slow, listener] = [yield* connect(), yield* connect(), yield* connect()]
          slow.connection.stopReading()
          for (let i = 0; i < 30; i++) {
            a.connection.send(burst(i * 10, 10))
            yield* listener.connection.readLines((i + 1) * 10)
            yield* TestClock.adjust(100)
          }
          slow.connection.resumeReading()
          const notice = slow.connection.lines.find((line) => line.startsWith("Warning: "))
          const dropped = 300 - (slow.connection.lines.length - 1)
          assert.isAbove(dropped, 50)
          assert.strictEqual(notice, without(Notice.messagesDropped(dropped)))
          slow.connection.endStream()
          yield* Fiber.join(slow.fiber)
          assert.strictEqual(sumOf(warnings(), "messages dropped"), dropped)
        })
      )
    }

    it.effect("logs what was dropped even if the client never reads again", () =>
      Effect.gen(function* () {
        const { connect, warnings } = yield* start({ slow_consumer: { ...slow_consumer, policy: "drop_newest" } })
        const [a, slow, listener] = [yield* connect(), yield* connect(), yield* connect()]
        slow.connection.stopReading()
        for (let i = 0; i < 30; i++) {
          a.connection.send(burst(i * 10, 10))
          yield* listener.connection.readLines((i + 1) * 10)
          yield* TestClock.adjust(100)
        }
        slow.connection.reset("ECONNRESET")
        yield* Fiber.join(slow.fiber)
        const dropped = 300 - Math.floor(slow_consumer.hard_limit_bytes / 100)
        assert.approximately(sumOf(warnings(), "messages dropped"), dropped, 20)
      })
    )
  })

  describe("leaving", () => {
    it.effect("delivers what was accepted in the very turn in which the server ends", () =>
      Effect.gen(function* () {
        const { connect } = yield* start()
        const a = yield* connect()
        const b = yield* connect()
        yield* roundTrip(a, b)
        a.connection.send("accepted\n")
        yield* Fiber.interruptAll([b.fiber, a.fiber])
        assert.deepStrictEqual(b.connection.lines.slice(-2), [envelope(a, "accepted"), without(Notice.SHUTTING_DOWN)])
      })
    )

    it.effect("gives a reader that has said its last everything, for as long as it keeps reading", () =>
      Effect.gen(function* () {
        const { broadcaster, connect } = yield* start()
        const sender = yield* connect()
        const reader = yield* connect({ capacity: 0, highWaterMark: 0 })
        yield* Effect.yieldNow
        reader.connection.stopReading()
        for (let i = 0; i < 5; i++) {
          sender.connection.send(burst(i * 10, 10))
          yield* sender.connection.until((self) => self.isAwaited)
          broadcaster.flushUnsafe()
        }
        reader.connection.endStream()
        yield* TestClock.adjust(1)
        while (!reader.connection.isClosed) {
          yield* TestClock.adjust(9000)
          reader.connection.read(1200)
        }
        assert.strictEqual(reader.connection.lines.length, 50)
        yield* Fiber.join(reader.fiber)
      })
    )

    it.effect("cuts a reader that has said its last and takes nothing for ten seconds", () =>
      Effect.gen(function* () {
        const { broadcaster, connect } = yield* start()
        const sender = yield* connect()
        const reader = yield* connect({ capacity: 0, highWaterMark: 0 })
        yield* Effect.yieldNow
        reader.connection.stopReading()
        sender.connection.send(burst(0, 10))
        yield* sender.connection.until((self) => self.isAwaited)
        broadcaster.flushUnsafe()
        reader.connection.endStream()
        yield* TestClock.adjust(9999)
        assert.isFalse(reader.connection.isDestroyed)
        yield* TestClock.adjust(10_001)
        yield* Fiber.join(reader.fiber)
        assert.isTrue(reader.connection.isDestroyed)
      })
    )

    it.effect("does not stay behind for its lines when it has vanished while it was held back", () =>
      Effect.gen(function* () {
        const { broadcaster, connect } = yield* start({
          throttle_delay_ms: 200,
          backpressure_policy: { throttle_threshold: 1 }
        })
        const a = yield* connect()
        const b = yield* connect()
        a.connection.send("\n".repeat(1000))
        yield* TestClock.adjust(1000)
        a.connection.reset("ECONNRESET")
        yield* TestClock.adjust(GRACE_MILLIS + 400)
        yield* Fiber.join(a.fiber)
        assert.strictEqual(broadcaster.sizeUnsafe(), 1)
        assert.isAbove(b.connection.lines.length, 10)
        assert.isBelow(b.connection.lines.length, 20)
      })
    )

    const farewells = [
      ["rust", Notice.SHUTTING_DOWN],
      ["python", "Warning: Server disconnected.\n"]
    ] as const

    for (const [version, farewell] of farewells) {
      it.effect(`${version}: delivers what was accepted, says goodbye and closes when the server stops`, () =>
        Effect.gen(function* () {
          const { broadcaster, connect } = yield* start({}, { version })
          const [a, b] = [yield* connect(), yield* connect()]
          a.connection.send("last\n")
          yield* Fiber.interruptAll([a.fiber, b.fiber])
          assert.strictEqual(b.connection.received, `${envelope(a, "last")}\n${farewell}`)
          assert.strictEqual(a.connection.received, farewell)
          assert.deepStrictEqual(
            [a, b].map(({ connection }) => [connection.ends, connection.isClosed]),
            [
              [1, true],
              [1, true]
            ]
          )
          assert.strictEqual(broadcaster.sizeUnsafe(), 0)
        })
      )
    }

    it.effect("Python profile: says the same to whoever leaves by itself", () =>
      Effect.gen(function* () {
        const { connect } = yield* start({}, { version: "python" })
        const a = yield* connect()
        a.connection.endStream()
        yield* Fiber.join(a.fiber)
        assert.strictEqual(a.connection.received, Notice.SERVER_DISCONNECTED)
      })
    )

    it.effect("waits for a client that never reads no longer than the grace", () =>
      Effect.gen(function* () {
        const { broadcaster, connect } = yield* start()
        const [a, stuck] = [yield* connect(), yield* connect()]
        stuck.connection.stopReading()
        a.connection.send("never read\n")
        yield* stuck.connection.until((self) => self.unsentBytes() > 0)
        stuck.fiber.interruptUnsafe()
        assert.strictEqual(broadcaster.sizeUnsafe(), 1)
        yield* TestClock.adjust(GRACE_MILLIS - 1)
        assert.isUndefined(stuck.fiber.pollUnsafe())
        yield* TestClock.adjust(1)
        yield* Fiber.await(stuck.fiber)
        assert.isTrue(stuck.connection.isDestroyed)
      })
    )

    it.effect("does not wait long for a client that reads but does not close", () =>
      Effect.gen(function* () {
        const { connect } = yield* start()
        const a = yield* connect({ closesOnEnd: false })
        a.fiber.interruptUnsafe()
        assert.strictEqual(a.connection.received, Notice.SHUTTING_DOWN)
        assert.isFalse(a.connection.isClosed)
        yield* TestClock.adjust(GRACE_MILLIS / 2)
        yield* Fiber.await(a.fiber)
        assert.isTrue(a.connection.isDestroyed)
      })
    )

    it.effect("waits for a client that was sending: closing under its bytes would cost it the notice", () =>
      Effect.gen(function* () {
        const { connect } = yield* start()
        const a = yield* connect({ closesOnEnd: false })
        a.fiber.interruptUnsafe()
        yield* TestClock.adjust(200)
        a.connection.send("not closed yet\n")
        yield* TestClock.adjust(GRACE_MILLIS - 201)
        assert.isFalse(a.connection.isClosed)
        yield* TestClock.adjust(1)
        yield* Fiber.await(a.fiber)
        assert.isTrue(a.connection.isDestroyed)
      })
    )

    const action = Arbitrary.all({ kind: arbitraries.int(0, 9), amount: arbitraries.int(1, 300) })

    it.effect.prop(
      "leaves the room and ends the connection once, whenever and however the end comes",
      {
        actions: arbitraries.array(action, { maxLength: 25 }),
        capacity: arbitraries.int(0, 400),
        closesOnEnd: arbitraries.boolean
      },
      ({ actions, capacity, closesOnEnd }) =>
        Effect.gen(function* () {
          const { broadcaster, connect, log } = yield* start({
            rate_limit_msgs_per_minute: 20,
            client_timeout_secs: 2,
            timeout_check_interval_secs: 1,
            max_line_bytes: 256,
            throttle_delay_ms: 70,
            flow_control_delay_ms: 150,
            backpressure_policy: { throttle_threshold: 1, flow_control_threshold: 2, disconnect_threshold: 4 },
            slow_consumer: { soft_limit_bytes: 300, hard_limit_bytes: 900, stall_grace_ms: 100 }
          })
          const [client, other] = [yield* connect({ capacity, closesOnEnd }), yield* connect()]
          for (const { amount, kind } of actions) {
            if (kind === 0) client.connection.stopReading()
            else if (kind === 1) client.connection.resumeReading()
            else if (kind === 2) client.connection.read(amount)
            else if (kind === 3) client.connection.send(`${"line\n".repeat(amount % 7)}${"x".repeat(amount)}`)
            else if (kind === 4) client.connection.send(Buffer.from([0xff, 0x0a, 0x0a]))
            else if (kind === 5) other.connection.send(`${"to all\n".repeat(amount % 9)}`)
            else if (kind === 6) yield* TestClock.adjust(amount * 2)
            else if (kind === 7) yield* Effect.yieldNow
            else if (kind === 8 && amount < 40) client.connection.endStream()
            else if (kind === 9 && amount < 30) client.connection.reset("ECONNRESET")
            else if (kind === 9 && amount < 100) yield* connect()
          }
          client.fiber.interruptUnsafe()
          assert.isAtMost(client.connection.unsentBytes(), 900 + 300)
          // The grace; or, for a client that had ended its own side before, the patience with readers, twice.
          yield* TestClock.adjust("21 seconds")
          yield* Fiber.await(client.fiber)
          assert.isTrue(client.connection.isClosed && client.connection.isDestroyed)
          assert.isAtMost(client.connection.ends, 1)
          const goodbyes = log.filter((line) => line.includes("10.0.0.1:1 disconnected"))
          assert.strictEqual(goodbyes.length, 1)
          assert.isFalse(log.some((line) => line.startsWith("ERROR")))
          const left = log.filter((line) => line.includes(" disconnected: ")).length
          const came = log.filter((line) => line.includes(" connected (")).length
          assert.strictEqual(broadcaster.sizeUnsafe(), came - left)
          // Nothing of it is left behind that would still do something.
          yield* TestClock.adjust("1 minute")
          assert.isFalse(broadcaster.isCongestedUnsafe())
          assert.isFalse(log.some((line) => line.startsWith("ERROR")))
        }),
      runs(30)
    )
  })

  describe("with other services in place", () => {
    /** At the first each line is logged, at the other lines are published together. */
    const LEVELS = ["INFO", "WARNING"] as const

    /** Publishes lines one by one: it has no `lines`. */
    const oneByOne = Layer.effect(
      Broadcaster,
      Effect.map(Broadcaster, (broadcaster) => ({
        ...broadcaster,
        publishUnsafe: (sender, bytes, start, end, isConstant) =>
          broadcaster.publishUnsafe(sender, bytes, start, end, isConstant)
      }))
    ).pipe(Layer.provide(Broadcaster.layer))
    const sent = Arbitrary.all({ kind: arbitraries.int(0, 7), amount: arbitraries.int(1, 60) })

    it.effect.prop(
      "relays, rejects and holds the same lines, whether they are published together or one by one",
      {
        chunks: arbitraries.array(arbitraries.array(sent, { maxLength: 8 }), { maxLength: 8 }),
        script: arbitraries.array(arbitraries.int(0, 12), { maxLength: 40 })
      },
      ({ chunks, script }) => {
        const verdicts = script.map((n) => (["throttle", "flow_control", "disconnect"] as const)[n] ?? "pass")
        const bytes = chunks.map((parts) =>
          Buffer.concat(
            parts.map(({ amount, kind }, i) =>
              kind === 0
                ? Buffer.from([0xff, 0x0a])
                : Buffer.from(
                    kind === 1
                      ? "x".repeat(amount * 8)
                      : kind === 2
                        ? `${'"'.repeat(amount * 4)}\n`
                        : `${i} ${"y".repeat(amount)}${kind === 3 ? "\r" : ""}\n`
                  )
            )
          )
        )
        const outcome = (replaced: Layer.Layer<Broadcaster, never, ServerConfig>) =>
          Effect.gen(function* () {
            const { connect, log } = yield* start(
              { rate_limit_msgs_per_minute: 25, max_line_bytes: 256 },
              {
                log_level: LEVELS[1],
                replaced: Layer.merge(replaced, TestBackpressure.layer(verdicts)) as Layer.Layer<Services>
              }
            )
            const [a, b] = [yield* connect(), yield* connect()]
            for (const chunk of bytes) {
              if (chunk.length > 0) a.connection.send(chunk)
              yield* TestClock.adjust("3 seconds")
            }
            a.connection.endStream()
            yield* TestClock.adjust("1 minute")
            return { a: a.connection.received, b: b.connection.received, log }
          })
        return Effect.gen(function* () {
          const together = yield* Effect.scoped(outcome(Broadcaster.layer))
          assert.deepStrictEqual(together, yield* Effect.scoped(outcome(oneByOne)))
        })
      },
      runs(100)
    )

    it.effect.each(LEVELS)("asks the rate limiter once for each client and line, at log level %s", (log_level) => {
      const calls: Array<string> = []
      const replaced = Layer.succeed(RateLimiter, {
        open: ({ ip }, nowMillis) =>
          Effect.acquireRelease(
            Effect.sync(() => {
              calls.push(`open ${ip} ${nowMillis}`)
              return { spendUnsafe: (now) => calls.push(`spend ${now}`) % 2 === 0 }
            }),
            () => Effect.sync(() => calls.push(`close ${ip}`))
          )
      })
      return Effect.gen(function* () {
        const { connect } = yield* start({}, { log_level, replaced: replaced as Layer.Layer<Services> })
        yield* TestClock.adjust(5)
        const a = yield* connect()
        yield* TestClock.adjust(10)
        a.connection.send("1\n2\n")
        a.connection.endStream()
        yield* Fiber.join(a.fiber)
        assert.deepStrictEqual(calls, ["open 10.0.0.1 5", "spend 15", "spend 15", "close 10.0.0.1"])
        assert.strictEqual(a.connection.received, Notice.RATE_LIMITED)
      })
    })

    /** A rate limiter that answers when it is told to, and what has happened to the clients' Scopes. */
    const slowLimiter = () => {
      const answer = Latch.makeUnsafe()
      const calls: Array<string> = []
      const rateLimiter = Layer.succeed(RateLimiter, {
        open: ({ ip }) =>
          Effect.gen(function* () {
            yield* Effect.addFinalizer(() => Effect.sync(() => calls.push(`${ip} gone`)))
            yield* answer.await
            calls.push(`${ip} answered`)
            return { spendUnsafe: () => true }
          })
      })
      return { answer, calls, replaced: rateLimiter as Layer.Layer<Services> }
    }

    it.effect("waits for the rate limiter before a client is in the room, and loses nothing of it", () =>
      Effect.gen(function* () {
        const { answer, calls, replaced } = slowLimiter()
        const { broadcaster, connect, log } = yield* start({}, { replaced })
        const [b, a] = [yield* connect(), yield* connect()]
        a.connection.send("early\n")
        assert.deepStrictEqual([broadcaster.sizeUnsafe(), log], [0, []])
        yield* answer.open
        assert.deepStrictEqual(yield* b.connection.readLines(1), [envelope(a, "early")])
        a.connection.endStream()
        yield* Fiber.join(a.fiber)
        assert.deepStrictEqual(calls, ["10.0.0.1 answered", "10.0.0.2 answered", "10.0.0.2 gone"])
      })
    )

    it.effect("waits ten seconds for the rate limiter, closes the connection and says why", () =>
      Effect.gen(function* () {
        const { calls, replaced } = slowLimiter()
        const { broadcaster, connect, log } = yield* start({}, { replaced })
        const { connection, fiber } = yield* connect()
        yield* TestClock.adjust(9_999)
        assert.deepStrictEqual([calls, log, connection.isClosedUnsafe()], [[], [], false])
        yield* TestClock.adjust(1)
        yield* Fiber.join(fiber)
        assert.deepStrictEqual([calls, connection.isClosedUnsafe()], [["10.0.0.1 gone"], true])
        assert.strictEqual(broadcaster.sizeUnsafe(), 0)
        assert.match(
          log.join("\n"),
          /10\.0\.0\.1:1 session failed[^]*the rate limiter has not answered within 10000 ms/
        )
      })
    )

    it.effect("closes the connection of a client that still waits for the rate limiter when the server ends", () =>
      Effect.gen(function* () {
        const { calls, replaced } = slowLimiter()
        const { connect } = yield* start({}, { replaced })
        const { connection, fiber } = yield* connect()
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual([calls, connection.isClosedUnsafe()], [["10.0.0.1 gone"], true])
      })
    )

    it.effect.each(LEVELS)(
      "asks backpressure with the number of others, for each line within the rate, at log level %s",
      (log_level) => {
        const fanOuts: Array<number> = []
        const replaced = Layer.succeed(Backpressure, {
          decideUnsafe: (fanOut) => (fanOuts.push(fanOut) === 3 ? "disconnect" : "pass"),
          throttle: Effect.void,
          flowControl: Effect.void
        })
        return Effect.gen(function* () {
          const { connect, quarantine } = yield* start(
            { rate_limit_msgs_per_minute: 3 },
            { log_level, replaced: Layer.merge(replaced, TestQuarantine.layer()) as Layer.Layer<Services> }
          )
          const [a, b] = [yield* connect(), yield* connect()]
          b.connection.send("1\n2\n")
          yield* connect()
          a.connection.send("1\n2\n")
          yield* Fiber.join(a.fiber)
          assert.deepStrictEqual(fanOuts, [1, 1, 2])
          assert.deepStrictEqual(
            quarantine.listUnsafe().map(({ key }) => key),
            ["10.0.0.1"]
          )
        })
      }
    )

    it.effect("shows the idle timeout when a client spoke last, and takes its verdict once", () => {
      const watched = new Set<Watched>()
      const replaced = Layer.succeed(IdleTimeout, {
        watch: (client, session) => {
          watched.add(client)
          return Effect.ensuring(
            session,
            Effect.sync(() => watched.delete(client))
          )
        }
      })
      return Effect.gen(function* () {
        const { connect } = yield* start({}, { replaced: replaced as Layer.Layer<Services> })
        const a = yield* connect()
        const [client] = watched
        assert.strictEqual(client!.lastLineMillis(), 0)
        yield* TestClock.adjust(7)
        a.connection.send("unfinished")
        assert.strictEqual(client!.lastLineMillis(), 0)
        a.connection.send("\n")
        assert.strictEqual(client!.lastLineMillis(), 7)
        client!.onIdle()
        client!.onIdle()
        yield* Fiber.await(a.fiber)
        assert.strictEqual(a.connection.received, Notice.IDLE)
        assert.strictEqual(watched.size, 0)
      })
    })

    it.effect("survives a service that fails: one client is closed, the log says why, the others stay", () => {
      const replaced = Layer.succeed(Backpressure, {
        decideUnsafe: () => {
          throw new Error("a bug")
        },
        throttle: Effect.void,
        flowControl: Effect.void
      })
      return Effect.gen(function* () {
        const { broadcaster, connect, log } = yield* start({}, { replaced: replaced as Layer.Layer<Services> })
        const [a, b] = [yield* connect(), yield* connect()]
        a.connection.send("boom\n")
        yield* Fiber.await(a.fiber)
        assert.isTrue(a.connection.isClosed)
        assert.isFalse(b.connection.isClosed)
        assert.strictEqual(broadcaster.sizeUnsafe(), 1)
        assert.match(log.join("\n"), /^ERROR 10\.0\.0\.1:1 .*a bug/m)
        assert.notInclude(log.join("\n"), "server shutdown")
      })
    })
  })
})
