import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import { MessageLog } from "../logging/RelayLogger.ts"
import { profileOf, ServerConfig } from "../ServerConfig.ts"
import { Backpressure, type Verdict } from "./Backpressure.ts"
import { Broadcaster } from "./Broadcaster.ts"
import type { Connection } from "./Connection.ts"
import * as Envelope from "./Envelope.ts"
import { IdleTimeout, type Watched } from "./IdleTimeout.ts"
import { type Incident, Incidents } from "./Incidents.ts"
import { LineFraming } from "./LineFraming.ts"
import { monotonicMillis } from "./monotonicMillis.ts"
import * as Notice from "./Notice.ts"
import { Quarantine } from "./Quarantine.ts"
import { type RateBudget, RateLimiter } from "./RateLimiter.ts"
import type { Member } from "./Room.ts"

/**
 * How long a client may take to close its side after we have closed ours, in milliseconds. Dropping the connection under
 * bytes it is still sending could cost it our last words.
 */
const LINGER_MILLIS = 250

/**
 * How long a client that has ended its side may take nothing of what is still on its way to it, in milliseconds. The kernel
 * says that it has taken something only every megabyte or so, so this is what a slow reader needs.
 */
const READER_PATIENCE_MILLIS = 10_000

/** Why a session ends. */
interface Departure {
  /** For the log. */
  readonly reason: string
  /** The last line the client gets. */
  readonly notice: string | undefined
  readonly severity: "Info" | "Warn"
  readonly quarantine?: true
}

const LEFT: Departure = { reason: "closed by the client", notice: undefined, severity: "Info" }
const SHUTDOWN: Departure = { reason: "server shutdown", notice: Notice.SHUTTING_DOWN, severity: "Info" }
const FAILED: Departure = { reason: "internal error", notice: undefined, severity: "Warn" }
const IDLE: Departure = { reason: "idle for too long", notice: Notice.IDLE, severity: "Warn" }
const TOO_SLOW: Departure = { reason: "reading too slowly", notice: Notice.TOO_SLOW, severity: "Warn" }
const BACKPRESSURE: Departure = {
  reason: "force-disconnected and quarantined: backpressure",
  notice: Notice.BACKPRESSURE,
  severity: "Warn",
  quarantine: true
}

/** Why a session stops reading its client for now; `drained`: because there is nothing left to relay. */
type Hold = "drained" | "congested" | Exclude<Verdict, "pass">

/** One client's state. */
class Client implements Watched {
  readonly connection: Connection
  readonly budget: RateBudget
  readonly incidents = new Incidents()
  framing!: LineFraming
  member!: Member
  lastLine: number
  /** The server holds the client back: its silence is not its own. */
  isHeld = false
  /** When it was first seen that the connection is gone, in milliseconds, although lines are left. */
  goneMillis: number | undefined
  /** Lines since the client was last told. */
  overLimit = 0
  oversized = 0
  notUtf8 = 0
  departure: Departure | undefined

  readonly #fiber: Fiber.Fiber<unknown, unknown>

  constructor(connection: Connection, budget: RateBudget, nowMillis: number, fiber: Fiber.Fiber<unknown, unknown>) {
    this.connection = connection
    this.budget = budget
    this.lastLine = nowMillis
    this.#fiber = fiber
  }

  /** Whether lines were not relayed since the client was last told. */
  get hasOffended(): boolean {
    return this.overLimit > 0 || this.oversized > 0 || this.notUtf8 > 0
  }

  lastLineMillis(): number | undefined {
    return this.isHeld ? undefined : this.lastLine
  }

  onIdle(): void {
    this.evict(IDLE)
  }

  /** Sends the client a notice, `times` over. */
  tell(notice: string, times: number): void {
    const untold = this.member.outbox.notify(notice, times)
    if (untold > 0) this.incidents.count("notices dropped", untold)
  }

  /** Logs what has happened since it last did, as far as it is time for it. */
  report(nowMillis: number): Effect.Effect<void> {
    const lines = this.incidents.report(nowMillis)
    return lines.length === 0 ? Effect.void : Effect.logWarning(`${this.connection.address} ${lines.join(", ")}`)
  }

  /** Ends the session from outside. The first reason counts. */
  evict(departure: Departure): void {
    if (this.departure !== undefined) return
    this.departure = departure
    this.#fiber.interruptUnsafe()
  }
}

/**
 * Builds what runs one client's session, from its arrival to the closed socket: join the room, relay its lines, say
 * goodbye (contract, sections 1 and 3; seed, "Operational model").
 *
 * A session is one fiber. Idle timeout, eviction and shutdown are interruptions of it, and leaving the room, the last
 * notice and closing the connection its release, so that no path can skip them. It never fails.
 */
export const make = Effect.gen(function* () {
  const config = yield* ServerConfig
  const { max_line_bytes } = config.hyper_parameters
  const farewellToAll = profileOf(config.version) === "python" ? Notice.SERVER_DISCONNECTED : undefined
  const oversizedNotice = Notice.oversized(max_line_bytes)
  const broadcaster = yield* Broadcaster
  const rateLimiter = yield* RateLimiter
  const backpressure = yield* Backpressure
  const idleTimeout = yield* IdleTimeout
  const quarantine = yield* Quarantine
  const messageLog = yield* MessageLog
  const clock = yield* Clock.Clock
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  /** Open from the end of the server on. */
  const ending = yield* Latch.make(false)

  const join = (connection: Connection) =>
    Effect.withFiber((fiber) => {
      const now = monotonicMillis(clock)
      const client = new Client(connection, rateLimiter.openUnsafe(connection.ip, now), now, fiber)
      client.member = broadcaster.joinUnsafe(connection, {
        onOverflow: () => client.evict(TOO_SLOW),
        onDropped: (messages) => noteNow(client, "messages dropped", messages),
        onStalled: () => noteNow(client, "slow", 1)
      })
      client.framing = new LineFraming(max_line_bytes - client.member.prefix.length - Envelope.SUFFIX_BYTES)
      idleTimeout.watchUnsafe(client)
      return Effect.as(Effect.logInfo(`${connection.address} connected (${count(broadcaster.sizeUnsafe())})`), client)
    })

  /** The hot path: relays the lines at hand until there are none, or the sender has to wait. Tells why it stopped. */
  const relayLines = (client: Client): Hold => {
    const { budget, framing, member } = client
    const now = monotonicMillis(clock)
    while (!broadcaster.isCongestedUnsafe()) {
      switch (framing.next()) {
        case "none":
          return "drained"
        case "oversized":
          client.oversized++
          break
        case "invalid":
          client.notUtf8++
          break
        case "line": {
          client.lastLine = now
          if (!budget.spendUnsafe(now)) {
            client.overLimit++
            break
          }
          const verdict = backpressure.decideUnsafe(broadcaster.sizeUnsafe() - 1)
          if (verdict === "disconnect") return verdict
          const { bytes, end, start } = framing
          if (!broadcaster.publishUnsafe(member, bytes, start, end)) {
            client.oversized++
            break
          }
          if (messageLog.enabled) messageLog.relayed(member.address, toText(bytes, start, end))
          if (verdict !== "pass") return verdict
        }
      }
    }
    return "congested"
  }

  /** Tells the client, and the log, what became of lines that were not relayed. */
  const settle = (client: Client): Effect.Effect<void> => {
    if (client.overLimit > 0) {
      client.incidents.count("rate limited", client.overLimit)
      client.tell(Notice.RATE_LIMITED, client.overLimit)
      client.overLimit = 0
    }
    if (client.oversized > 0) {
      client.incidents.count("oversized", client.oversized)
      client.tell(oversizedNotice, client.oversized)
      client.oversized = 0
    }
    if (client.notUtf8 > 0) {
      client.incidents.count("not UTF-8", client.notUtf8)
      client.tell(Notice.NOT_UTF8, client.notUtf8)
      client.notUtf8 = 0
    }
    return client.report(monotonicMillis(clock))
  }

  const note = (client: Client, incident: Incident, times: number): Effect.Effect<void> => {
    client.incidents.count(incident, times)
    return client.report(monotonicMillis(clock))
  }

  /** Notes what happens to a client while its own fiber waits, maybe for ever. */
  const noteNow = (client: Client, incident: Incident, times: number) => {
    const report = note(client, incident, times)
    if (report !== Effect.void) runFork(report)
  }

  /** Does not read the client while `wait` runs, and does not count that time as its silence. */
  const hold = (client: Client, wait: Effect.Effect<void>) => {
    const since = monotonicMillis(clock)
    client.isHeld = true
    const release = Effect.sync(() => {
      client.isHeld = false
      client.lastLine += monotonicMillis(clock) - since
    })
    return Effect.ensuring(wait, release)
  }

  /** A client that is held back goes on for a while after its connection has gone: what it has sent is paced, not lost. */
  const isLongGone = (client: Client): boolean => {
    if (!client.connection.isClosedUnsafe()) return false
    const now = monotonicMillis(clock)
    client.goneMillis ??= now
    return now - client.goneMillis >= config.hyper_parameters.shutdown_grace_ms
  }

  const serve = Effect.fnUntraced(
    function* (client: Client) {
      const { connection, framing } = client
      let isOpen = true
      while (true) {
        if (isLongGone(client)) return LEFT
        const reason = relayLines(client)
        if (client.hasOffended) {
          yield* settle(client)
          // Whose lines are thrown away is read no faster than once a turn of the event loop: a flood must not crowd out
          // the others.
          yield* Effect.yieldNow
        }
        switch (reason) {
          case "drained": {
            if (!isOpen) return LEFT
            const chunk = yield* connection.pull
            if (chunk === undefined) {
              isOpen = false
              framing.endOfStream()
            } else {
              framing.push(chunk)
            }
            break
          }
          case "congested":
            yield* hold(client, broadcaster.uncongested)
            break
          case "throttle":
            yield* note(client, "throttled", 1)
            yield* hold(client, backpressure.throttle)
            break
          case "flow_control":
            yield* note(client, "paused", 1)
            yield* hold(client, backpressure.flowControl)
            break
          case "disconnect":
            return BACKPRESSURE
        }
      }
    },
    Effect.catchTag("ConnectionLost", (lost): Effect.Effect<Departure> =>
      Effect.succeed({ reason: lost.code, notice: undefined, severity: "Info" })
    )
  )

  /** Waits until a leaving client has everything, for as long as it keeps taking some of it. */
  const sendRest = Effect.fnUntraced(function* ({ connection, member }: Client, departure: Departure) {
    const grace = config.hyper_parameters.shutdown_grace_ms
    const patience = departure === LEFT ? Math.max(grace, READER_PATIENCE_MILLIS) : grace
    let waiting = Infinity
    while (member.outbox.waitingBytes < waiting) {
      waiting = member.outbox.waitingBytes
      const ended = yield* Effect.timeoutOption(connection.ended, patience)
      if (Option.isSome(ended)) return yield* Effect.timeoutOption(connection.closed, LINGER_MILLIS)
    }
  })

  const graceAfterEnd = Effect.andThen(
    ending.await,
    Effect.suspend(() => Effect.sleep(config.hyper_parameters.shutdown_grace_ms))
  )

  const leave = (client: Client, exit: Exit.Exit<Departure>) =>
    Effect.gen(function* () {
      const { connection, member } = client
      const departure = client.departure ?? departureOf(exit)
      idleTimeout.unwatchUnsafe(client)
      rateLimiter.closeUnsafe(connection.ip)
      // Whatever was accepted before the client goes is still delivered, its own lines and those of the others to it.
      broadcaster.flushUnsafe()
      broadcaster.leaveUnsafe(member)
      if (departure.quarantine) quarantine.addUnsafe(connection)
      member.outbox.end(farewellToAll ?? departure.notice)
      yield* client.report(Infinity)
      const log = departure.severity === "Warn" ? Effect.logWarning : Effect.logInfo
      yield* log(`${connection.address} disconnected: ${departure.reason} (${count(broadcaster.sizeUnsafe())})`)
      if (departure === SHUTDOWN) ending.openUnsafe()
      yield* Effect.raceFirst(sendRest(client, departure), graceAfterEnd)
      if (member.outbox.waitingBytes > 0 && !connection.isClosedUnsafe()) {
        yield* Effect.logInfo(`${connection.address} was cut with ${member.outbox.waitingBytes} bytes unsent`)
      }
      member.outbox.close()
      connection.destroyUnsafe()
    })

  return {
    /** Runs the session of one client. Never fails. */
    run: (connection: Connection): Effect.Effect<void> =>
      Effect.acquireUseRelease(join(connection), serve, leave).pipe(
        Effect.asVoid,
        Effect.catchCause((cause) => {
          if (Cause.hasInterruptsOnly(cause)) return Effect.void
          connection.destroyUnsafe()
          return Effect.logError(`${connection.address} session failed`, cause)
        })
      ),
    /** From now on clients that are leaving already have no more than the grace, either. */
    beginShutdown: Effect.asVoid(ending.open)
  }
})

/** An interruption that nobody gave a reason for comes from the end of the server. */
const departureOf = (exit: Exit.Exit<Departure>): Departure => {
  if (Exit.isSuccess(exit)) return exit.value
  return Cause.hasInterruptsOnly(exit.cause) ? SHUTDOWN : FAILED
}

const count = (clients: number) => (clients === 1 ? "1 client" : `${clients} clients`)

const toText = (bytes: Uint8Array, start: number, end: number) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8", start, end)
