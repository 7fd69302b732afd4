import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Exit from "effect/Exit"
import { profileOf, ServerConfig } from "../config/CurrentConfig.ts"
import { monotonicMillis } from "../internal/time.ts"
import { ClientLimits } from "../limits/ClientLimits.ts"
import { IdleTimeout } from "../limits/IdleTimeout.ts"
import { Quarantine } from "../limits/Quarantine.ts"
import { type RateBudget, RateLimiter } from "../limits/RateLimiter.ts"
import * as Notice from "../protocol/Notice.ts"
import { Broadcaster } from "../room/Broadcaster.ts"
import type { Connection } from "../room/Connection.ts"
import * as DisconnectReason from "../room/DisconnectReason.ts"
import { Client } from "./Client.ts"
import { ClientRegistry } from "./ClientRegistry.ts"
import * as ConnectionSpan from "./ConnectionSpan.ts"
import { type Incident, MESSAGES_DROPPED, SLOW } from "./Incidents.ts"
import * as Fields from "../logging/Fields.ts"
import * as LineFilter from "./LineFilter.ts"
import * as LineRelay from "./LineRelay.ts"
import * as Linger from "./Linger.ts"
import * as Group from "./Group.ts"
import { INCIDENTS, type LineRejection } from "./RejectedLines.ts"
import * as SenderPacing from "./SenderPacing.ts"

/**
 * Runs clients, from their arrival to the closed socket: join the room, relay their lines, send the last notice
 * (docs/protocol.md, docs/operating.md).
 *
 * A session is one fiber. Idle timeout, eviction and shutdown are interruptions of it; leaving the room, the last notice and closing
 * the connection are its release, so that no path can skip them.
 */
export class Session extends Context.Service<
  Session,
  {
    /** Runs the session of one client. Never fails. */
    readonly run: (connection: Connection) => Effect.Effect<void>
    /** Sends what was relayed in this turn of the event loop now. */
    readonly flushUnsafe: () => void
    /** Whether the lines of a client wait for time to pass, or for slow readers: nothing else relays them. */
    readonly isHeldUnsafe: (address: string) => boolean
    /** From now on clients that are leaving have no more than the grace period, either. */
    readonly beginShutdown: Effect.Effect<void>
  }
>()("summoner-server/Session") {
  static readonly layer = Layer.effect(
    Session,
    Effect.suspend(() => make)
  )
}

/**
 * Bytes that are read from a client before the others have their turn. Node.js reads up to 2 MiB of a socket before it turns to the next,
 * for which senders of a busy room would wait in line.
 */
const TURN_BYTES = 128 * 1024

/** How long a `RateLimiter` may take for a client that has connected: as long as a handshake. */
const RATE_LIMITER_MILLIS = 10_000

const make = Effect.gen(function* () {
  const config = yield* ServerConfig
  const { max_line_bytes } = config.hyper_parameters
  const farewellToAll = profileOf(config.version) === "python" ? Notice.SERVER_DISCONNECTED : undefined
  const rejectionNotices: { readonly [rejection in LineRejection]: string } = {
    "rate limited": Notice.RATE_LIMITED,
    oversized: Notice.oversized(max_line_bytes),
    "not UTF-8": Notice.NOT_UTF8
  }
  const broadcaster = yield* Broadcaster
  const rateLimiter = yield* RateLimiter
  const idleTimeout = yield* IdleTimeout
  const quarantine = yield* Quarantine
  const limits = yield* ClientLimits
  const registry = yield* ClientRegistry
  const relayLines = yield* LineRelay.make
  const pacing = yield* SenderPacing.make
  const filter = yield* LineFilter.make(pacing)
  const { open } = filter
  const clock = yield* Clock.Clock
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  const graceMillis = () => config.hyper_parameters.shutdown_grace_ms
  const grace = Effect.suspend(() => Effect.sleep(graceMillis()))
  /** Who else is affected by a ban, and what lifts it. */
  const logBan = (banned: Connection) =>
    Effect.suspend(() => {
      const key = quarantine.scope === "ip" ? banned.ip : banned.address
      const seconds = Math.ceil(quarantine.cooldownMillisUnsafe() / 1000)
      // It has its own place until its last bytes are sent, unless its listener gives none.
      const sharing = Math.max(0, limits.countFromUnsafe(banned.ip) - 1)
      return Effect.logWarning(
        `${key} cannot connect again for ${seconds} s, clients still connected from there: ${sharing}; POST /api/lift on the admin port ends it`
      )
    })
  const linger = yield* Linger.make(graceMillis)
  const trace = yield* ConnectionSpan.make

  /** Notes an incident while the client's own fiber waits. */
  const noteNow = (client: Client, incident: Incident, times: number) => {
    const report = client.note(incident, times, monotonicMillis(clock))
    if (report !== Effect.void) runFork(client.span?.within(report) ?? report)
  }

  const count = () => (broadcaster.sizeUnsafe() === 1 ? "1 client" : `${broadcaster.sizeUnsafe()} clients`)
  /** A line about a client, with fields. */
  const annotated = (line: Effect.Effect<void>, connection: Connection, fields: Fields.Fields = {}) =>
    Effect.annotateLogs(line, {
      ...Fields.ofClient(connection),
      "summoner.clients": broadcaster.sizeUnsafe(),
      ...fields
    })

  const memberOf = (client: Client) =>
    broadcaster.memberUnsafe(client.connection, {
      onOverflow: () => client.disconnect(DisconnectReason.TOO_SLOW),
      onDropped: (messages) => noteNow(client, MESSAGES_DROPPED, messages),
      onStalled: () => {
        registry.changeUnsafe(client, { isStalled: true })
        noteNow(client, SLOW, 1)
      },
      onCaughtUp: () => registry.changeUnsafe(client, { isStalled: false })
    })

  /** The connection is not read until the limiter answers, and a close goes unnoticed: a limiter of the host program has a limit. */
  const openBudget = (connection: Connection) =>
    Effect.timeoutOrElse(rateLimiter.open(connection, monotonicMillis(clock)), {
      duration: RATE_LIMITER_MILLIS,
      orElse: () => Effect.die(new Error(`the rate limiter has not answered within ${RATE_LIMITER_MILLIS} ms`))
    })

  const join = (connection: Connection, budget: RateBudget, span?: ConnectionSpan.ConnectionSpan) =>
    Effect.withFiber((fiber) => {
      const nowMillis = monotonicMillis(clock)
      const client = new Client({
        connection,
        budget,
        totals: registry.totals,
        nowMillis,
        connectedMillis: clock.currentTimeMillisUnsafe(),
        span,
        maxLineBytes: max_line_bytes,
        member: memberOf,
        fiber
      })
      // With a filter, a client is outside the room until that has decided on it.
      if (open === undefined) {
        broadcaster.joinUnsafe(client.member)
        client.isInRoom = true
      }
      registry.enterUnsafe(client)
      const { address, subject, transport } = connection
      const about = [...(transport === "tcp" ? [] : [transport]), ...(subject === undefined ? [] : [subject])]
      const name = about.length === 0 ? address : `${address} (${about.join(", ")})`
      return Effect.as(annotated(Effect.logInfo(`${name} connected (${count()})`), connection), client)
    })

  const admit = (client: Client): Effect.Effect<void> =>
    Effect.suspend(() => {
      broadcaster.joinUnsafe(client.member)
      registry.changeUnsafe(client, { isInRoom: true })
      if (client.sender !== undefined) Group.admitted(client.sender)
      const { connection } = client
      return annotated(Effect.logInfo(`${connection.address} admitted (${count()})`), connection)
    })

  const flushRejected = (client: Client): Effect.Effect<void> => {
    client.rejectedLines.flush((rejection, lines) => {
      client.incidents.count(INCIDENTS[rejection], lines)
      client.notify(rejectionNotices[rejection], lines)
    })
    return client.report(monotonicMillis(clock))
  }

  /** A client that is held back goes on for a while after its connection has gone: what it has sent is paced, not lost. */
  const isLongGone = (client: Client): boolean => {
    if (!client.connection.isClosedUnsafe()) return false
    const now = monotonicMillis(clock)
    client.goneMillis ??= now
    return now - client.goneMillis >= graceMillis()
  }

  const relay = Effect.fnUntraced(
    function* (client: Client) {
      const { connection, framing } = client
      let isOpen = true
      let bytesInTurn = 0
      while (true) {
        if (isLongGone(client)) return DisconnectReason.LEFT
        const stop = relayLines(client)
        if (!client.rejectedLines.isEmpty) {
          yield* flushRejected(client)
          // Rejected lines are read no faster than once a turn of the event loop: a flood of them must not delay other clients.
          yield* Effect.yieldNow
        }
        switch (stop) {
          case "drained": {
            if (!isOpen) return DisconnectReason.LEFT
            if (bytesInTurn >= TURN_BYTES) {
              bytesInTurn = 0
              yield* Effect.yieldNow
            }
            const chunk = yield* connection.pull
            if (chunk === undefined) {
              isOpen = false
              framing.endOfStream()
            } else {
              client.bytesIn += chunk.length
              bytesInTurn += chunk.length
              framing.push(chunk)
            }
            break
          }
          case "rejecting":
            // It has yielded above.
            break
          case "admission": {
            const outcome = yield* filter.decide(client)
            if (typeof outcome === "object") return outcome
            if (outcome === "admitted") yield* admit(client)
            else yield* pacing.apply(client, outcome)
            break
          }
          case "congested":
            yield* pacing.untilUncongested(client)
            break
          case "throttle":
          case "flow_control":
            yield* pacing.apply(client, stop)
            break
          case "disconnect":
            return DisconnectReason.backpressure(quarantine.cooldownMillisUnsafe() > 0)
        }
      }
    },
    (relaying, { framing }) =>
      Effect.catchTag(relaying, "ConnectionLost", ({ code }): Effect.Effect<DisconnectReason.DisconnectReason> =>
        Effect.succeed(DisconnectReason.lost(code, framing.unfinishedBytes))
      )
  )

  const relayFiltered =
    open &&
    ((client: Client) => {
      const relayOnceOpened = Effect.gen(function* () {
        const arrival = yield* open(client)
        if (typeof arrival === "object") return arrival
        if (arrival) yield* admit(client)
        return yield* relay(client)
      })
      // The host program may take its time; a session whose connection is known to be closed does not wait for it.
      return Effect.raceFirst(
        relayOnceOpened,
        Effect.as(Effect.andThen(client.connection.closed, grace), DisconnectReason.LEFT)
      )
    })
  const live = (client: Client) => idleTimeout.watch(client, relay(client))
  const liveFiltered = relayFiltered && ((client: Client) => idleTimeout.watch(client, relayFiltered(client)))

  const leave = (client: Client, exit: Exit.Exit<DisconnectReason.DisconnectReason>) =>
    Effect.gen(function* () {
      const { connection, member } = client
      const disconnectReason = client.disconnectReason ?? DisconnectReason.ofExit(exit)
      // Lines accepted so far are still delivered, from this client and to it.
      broadcaster.flushUnsafe()
      broadcaster.leaveUnsafe(member)
      registry.leaveUnsafe(client, disconnectReason)
      if (client.sender !== undefined) Group.disconnected(client.sender)
      if (disconnectReason.quarantine) quarantine.addUnsafe(connection)
      member.outbox.end(
        disconnectReason.isWorded === true ? disconnectReason.notice : (farewellToAll ?? disconnectReason.notice),
        disconnectReason.kind
      )
      yield* client.report(Infinity)
      const log = disconnectReason.severity === "Warn" ? Effect.logWarning : Effect.logInfo
      const line = log(`${connection.address} disconnected: ${disconnectReason.reason} (${count()})`)
      yield* annotated(line, connection, {
        "summoner.disconnect.kind": disconnectReason.kind,
        "summoner.disconnect.reason": disconnectReason.reason
      })
      if (disconnectReason.quarantine) yield* logBan(connection)
      if (disconnectReason === DisconnectReason.SHUTDOWN) linger.hurryUnsafe()
      yield* linger.wait(connection, member.outbox, disconnectReason === DisconnectReason.LEFT)
      if (member.outbox.waitingBytes > 0 && !connection.isClosedUnsafe()) {
        yield* Effect.annotateLogs(
          Effect.logInfo(`${connection.address} was cut with ${member.outbox.waitingBytes} bytes unsent`),
          { ...Fields.ofClient(connection), "summoner.bytes.unsent": member.outbox.waitingBytes }
        )
      }
      member.outbox.close()
      registry.forgetUnsafe(client)
      connection.destroyUnsafe()
      client.span?.end(client.info, disconnectReason, exit)
    })

  const session = (
    connection: Connection,
    span?: ConnectionSpan.ConnectionSpan
  ): Effect.Effect<DisconnectReason.DisconnectReason> =>
    // What the client's Scope releases comes after its last notice, and delays no other client.
    Effect.scoped(
      Effect.flatMap(
        Effect.onInterrupt(openBudget(connection), () => Effect.sync(() => connection.destroyUnsafe())),
        (budget) => Effect.acquireUseRelease(join(connection, budget, span), liveFiltered ?? live, leave)
      )
    )

  return Session.of({
    run: (connection: Connection): Effect.Effect<void> =>
      (trace === undefined ? session(connection) : trace(connection, (span) => session(connection, span))).pipe(
        Effect.asVoid,
        Effect.catchCause((cause) => {
          if (Cause.hasInterruptsOnly(cause)) return Effect.void
          connection.destroyUnsafe()
          return Effect.annotateLogs(
            Effect.logError(`${connection.address} session failed`, cause),
            Fields.ofClient(connection)
          )
        })
      ),
    flushUnsafe: broadcaster.flushUnsafe,
    isHeldUnsafe: (address) => {
      const hold = registry.findUnsafe(address)?.hold
      return hold !== undefined && hold !== "admission"
    },
    beginShutdown: Effect.sync(linger.hurryUnsafe)
  })
})
