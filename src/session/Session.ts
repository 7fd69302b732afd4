import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Exit from "effect/Exit"
import { profileOf, ServerConfig } from "../config/ServerConfig.ts"
import { monotonicMillis } from "../internal/monotonicClock.ts"
import { Backpressure, type Verdict } from "../limits/Backpressure.ts"
import { IdleTimeout } from "../limits/IdleTimeout.ts"
import { Quarantine } from "../limits/Quarantine.ts"
import { RateLimiter } from "../limits/RateLimiter.ts"
import * as Envelope from "../protocol/Envelope.ts"
import { LineFraming } from "../protocol/LineFraming.ts"
import * as Notice from "../protocol/Notice.ts"
import { Broadcaster } from "../room/Broadcaster.ts"
import type { Connection } from "../room/Connection.ts"
import * as DisconnectReason from "../room/DisconnectReason.ts"
import { Client, type Hold } from "./Client.ts"
import { ClientRegistry, toText } from "./ClientRegistry.ts"
import * as ConnectionSpan from "./ConnectionSpan.ts"
import type { Incident } from "./Incidents.ts"
import * as Linger from "./Linger.ts"
import { MessageFilter, type Gate, type Open } from "./MessageFilter.ts"
import type { LineRejection } from "./RejectedLines.ts"

/** Why lines are not relayed for now; `drained`: because there are none; `rejecting`: because so many of them were rejected. */
type Stop = "drained" | "rejecting" | "disconnect" | Hold

/** Lines rejected in one turn of the event loop. A read of 64 KiB may hold 32,768, which would keep the others waiting. */
const REJECTED_PER_TURN = 256

/**
 * Runs clients, from their arrival to the closed socket: join the room, relay their lines, send the last notice
 * (docs/protocol.md, docs/operations.md).
 *
 * A session is one fiber. Idle timeout, eviction and shutdown are interruptions of it; leaving the room, the last notice and closing
 * the connection are its release, so that no path can skip them.
 */
export class Session extends Context.Service<
  Session,
  {
    /** Runs the session of one client. Never fails. */
    readonly run: (connection: Connection) => Effect.Effect<void>
    /** From now on clients that are leaving have no more than the grace period, either. */
    readonly beginShutdown: Effect.Effect<void>
  }
>()("summoner-server/Session") {
  /** Sessions as the services of the profile have them. */
  static readonly layer = Layer.effect(
    Session,
    Effect.suspend(() => make)
  )
}

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
  const backpressure = yield* Backpressure
  const idleTimeout = yield* IdleTimeout
  const quarantine = yield* Quarantine
  const openGate = yield* MessageFilter
  const registry = yield* ClientRegistry
  const clock = yield* Clock.Clock
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  const graceMillis = () => config.hyper_parameters.shutdown_grace_ms
  const grace = Effect.suspend(() => Effect.sleep(graceMillis()))
  const linger = yield* Linger.make(graceMillis)
  const trace = yield* ConnectionSpan.make

  const join = (connection: Connection, span?: ConnectionSpan.ConnectionSpan) =>
    Effect.withFiber((fiber) => {
      const nowMillis = monotonicMillis(clock)
      const client = new Client({
        connection,
        budget: rateLimiter.openUnsafe(connection.ip, nowMillis),
        totals: registry.totals,
        nowMillis,
        connectedMillis: clock.currentTimeMillisUnsafe(),
        span,
        fiber
      })
      client.member = broadcaster.joinUnsafe(connection, {
        onOverflow: () => client.disconnect(DisconnectReason.TOO_SLOW),
        onDropped: (messages) => noteNow(client, "messages dropped", messages),
        onStalled: () => {
          registry.changeUnsafe(client, { isStalled: true })
          noteNow(client, "slow", 1)
        },
        onCaughtUp: () => registry.changeUnsafe(client, { isStalled: false })
      })
      client.framing = new LineFraming(max_line_bytes - client.member.prefix.length - Envelope.SUFFIX_BYTES)
      idleTimeout.watchUnsafe(client)
      registry.enterUnsafe(client)
      const { address, subject, transport } = connection
      const about = [...(transport === "tcp" ? [] : [transport]), ...(subject === undefined ? [] : [subject])].join(
        ", "
      )
      const name = about === "" ? address : `${address} (${about})`
      return Effect.as(Effect.logInfo(`${name} connected (${count(broadcaster.sizeUnsafe())})`), client)
    })

  /** The hot path: relays the lines at hand until there are none, or the sender has to wait. Tells why it stopped. */
  const relayLines = (client: Client): Stop => {
    const { budget, framing, gate, member, rejectedLines: rejections } = client
    const now = monotonicMillis(clock)
    let rejected = 0
    while (!broadcaster.isCongestedUnsafe()) {
      const frame = framing.next()
      if (frame === "none") return "drained"
      client.lastLine = now
      client.linesIn++
      if (frame !== "line") {
        rejections.count(frame)
        if (++rejected === REJECTED_PER_TURN) return "rejecting"
        continue
      }
      if (!budget.spendUnsafe(now)) {
        rejections.count("rate limited")
        if (++rejected === REJECTED_PER_TURN) return "rejecting"
        continue
      }
      if (gate !== undefined) return "admission"
      const verdict = backpressure.decideUnsafe(broadcaster.sizeUnsafe() - 1)
      if (verdict === "disconnect") return verdict
      const { bytes, end, start } = framing
      if (!broadcaster.publishUnsafe(member, bytes, start, end)) {
        rejections.count("oversized")
        if (++rejected === REJECTED_PER_TURN) return "rejecting"
        continue
      }
      registry.relayedUnsafe(member.address, bytes, start, end)
      if (verdict !== "pass") return verdict
    }
    return "congested"
  }

  const isKeepingOut = () => quarantine.cooldownMillisUnsafe() > 0

  const checkNotice = (text: string): string => {
    const problem = Notice.problemOf(text, max_line_bytes)
    if (problem !== undefined) throw new Error(problem.detail)
    return text
  }

  /** Lets the host program decide on the line that `relayLines` has stopped at, and does what it says. */
  const admit = Effect.fnUntraced(function* (client: Client, gate: Gate) {
    const { framing, member } = client
    const line = toText(framing.bytes, framing.start, framing.end)
    const decision = yield* hold(client, "admission", gate(line))
    switch (decision._tag) {
      case "Relay": {
        while (broadcaster.isCongestedUnsafe()) yield* hold(client, "congested", broadcaster.uncongested)
        const bytes = Buffer.from(decision.content ?? line)
        const { to } = decision
        const recipients =
          to && Array.from(broadcaster.members).filter((other) => other !== member && to(other.address))
        const verdict = backpressure.decideUnsafe(recipients?.length ?? broadcaster.sizeUnsafe() - 1)
        if (verdict === "disconnect") return DisconnectReason.backpressure(isKeepingOut())
        const isRelayed =
          recipients === undefined
            ? broadcaster.publishUnsafe(member, bytes, 0, bytes.length)
            : broadcaster.publishToUnsafe(recipients, member, bytes, 0, bytes.length)
        if (isRelayed) registry.relayedUnsafe(member.address, bytes, 0, bytes.length, recipients)
        else client.rejectedLines.count("oversized")
        return isRelayed ? verdict : "pass"
      }
      case "Refuse":
        if (decision.notice !== undefined) client.notify(Notice.fromText(checkNotice(decision.notice)))
        return "pass"
      case "Disconnect":
        if (decision.notice !== undefined) checkNotice(decision.notice)
        return DisconnectReason.byApplication(decision, isKeepingOut())
    }
  })

  /** Tells the client, and the log, what became of lines that were not relayed. */
  const flushRejected = (client: Client): Effect.Effect<void> => {
    client.rejectedLines.flush((rejection, lines) => {
      client.incidents.count(rejection, lines)
      client.notify(rejectionNotices[rejection], lines)
    })
    return report(client, monotonicMillis(clock))
  }

  /** Logs what has happened to a client since it last did, as far as it is time for it. */
  const report = ({ connection, incidents, span }: Client, nowMillis: number): Effect.Effect<void> => {
    const lines = incidents.report(nowMillis, span?.incident)
    return lines.length === 0 ? Effect.void : Effect.logWarning(`${connection.address} ${lines.join(", ")}`)
  }

  const note = (client: Client, incident: Incident, times: number): Effect.Effect<void> => {
    client.incidents.count(incident, times)
    return report(client, monotonicMillis(clock))
  }

  /** Notes what happens to a client while its own fiber waits, maybe for ever. */
  const noteNow = (client: Client, incident: Incident, times: number) => {
    const report = note(client, incident, times)
    if (report !== Effect.void) runFork(client.span?.within(report) ?? report)
  }

  /** Does not read the client while `wait` runs. Unless it waits for the host program, that time is not its silence. */
  const hold = <A>(client: Client, reason: Hold, wait: Effect.Effect<A>): Effect.Effect<A> =>
    Effect.suspend(() => {
      // Every line of a client with a gate has a decision: that is no change of its state.
      if (reason === "admission") {
        client.hold = reason
        const release = Effect.sync(() => {
          client.hold = undefined
        })
        return Effect.ensuring(wait, release)
      }
      const since = monotonicMillis(clock)
      registry.changeUnsafe(client, { hold: reason })
      const release = Effect.sync(() => {
        registry.changeUnsafe(client, { hold: undefined })
        client.lastLine += monotonicMillis(clock) - since
      })
      return Effect.ensuring(wait, release)
    })

  /** Does what backpressure says to do with the sender of a line. */
  const applyVerdict = (client: Client, verdict: Exclude<Verdict, "disconnect">): Effect.Effect<void> => {
    switch (verdict) {
      case "pass":
        return Effect.void
      case "throttle":
        return Effect.andThen(note(client, "throttled", 1), hold(client, verdict, backpressure.throttle))
      case "flow_control":
        return Effect.andThen(note(client, "paused", 1), hold(client, verdict, backpressure.flowControl))
    }
  }

  /** A client that is held back goes on for a while after its connection has gone: what it has sent is paced, not lost. */
  const isLongGone = (client: Client): boolean => {
    if (!client.connection.isClosedUnsafe()) return false
    const now = monotonicMillis(clock)
    client.goneMillis ??= now
    return now - client.goneMillis >= graceMillis()
  }

  const relayAll = Effect.fnUntraced(
    function* (client: Client) {
      const { connection, framing } = client
      let isOpen = true
      while (true) {
        if (isLongGone(client)) return DisconnectReason.LEFT
        const reason = relayLines(client)
        if (!client.rejectedLines.isEmpty) {
          yield* flushRejected(client)
          // Whose lines are thrown away is read no faster than once a turn of the event loop: a flood must not crowd out
          // the others.
          yield* Effect.yieldNow
        }
        switch (reason) {
          case "drained": {
            if (!isOpen) return DisconnectReason.LEFT
            const chunk = yield* connection.pull
            if (chunk === undefined) {
              isOpen = false
              framing.endOfStream()
            } else {
              client.bytesIn += chunk.length
              framing.push(chunk)
            }
            break
          }
          case "rejecting":
            // It has yielded above.
            break
          case "admission": {
            const outcome = yield* admit(client, client.gate!)
            if (typeof outcome === "object") return outcome
            yield* applyVerdict(client, outcome)
            break
          }
          case "congested":
            yield* hold(client, reason, broadcaster.uncongested)
            break
          case "throttle":
          case "flow_control":
            yield* applyVerdict(client, reason)
            break
          case "disconnect":
            return DisconnectReason.backpressure(isKeepingOut())
        }
      }
    },
    Effect.catchTag("ConnectionLost", (lost): Effect.Effect<DisconnectReason.DisconnectReason> =>
      Effect.succeed(DisconnectReason.lost(lost.code))
    )
  )

  /** The same for clients on whose lines the host program decides. */
  const relayAdmitted = (open: Open) => (client: Client) => {
    const { address, closed, ip, subject, transport } = client.connection
    const sender = { address, ip, transport, ...(subject !== undefined && { subject }) }
    const admitted = Effect.flatMap(notInterrupted(open(sender)), (gate) => {
      client.gate = (line) => notInterrupted(gate(line))
      return relayAll(client)
    })
    // The host program may take its time; a client that has gone does not wait for it.
    return Effect.raceFirst(admitted, Effect.as(Effect.andThen(closed, grace), DisconnectReason.LEFT))
  }

  const leave = (client: Client, exit: Exit.Exit<DisconnectReason.DisconnectReason>) =>
    Effect.gen(function* () {
      const { connection, member } = client
      const disconnectReason = client.disconnectReason ?? DisconnectReason.ofExit(exit)
      idleTimeout.unwatchUnsafe(client)
      rateLimiter.closeUnsafe(connection.ip)
      // Whatever was accepted before the client goes is still delivered, its own lines and those of the others to it.
      broadcaster.flushUnsafe()
      broadcaster.leaveUnsafe(member)
      registry.leaveUnsafe(client, disconnectReason)
      if (disconnectReason.quarantine) quarantine.addUnsafe(connection)
      member.outbox.end(
        disconnectReason.isWorded === true ? disconnectReason.notice : (farewellToAll ?? disconnectReason.notice),
        disconnectReason.kind
      )
      yield* report(client, Infinity)
      const log = disconnectReason.severity === "Warn" ? Effect.logWarning : Effect.logInfo
      yield* log(`${connection.address} disconnected: ${disconnectReason.reason} (${count(broadcaster.sizeUnsafe())})`)
      if (disconnectReason === DisconnectReason.SHUTDOWN) linger.hurryUnsafe()
      yield* linger.wait(connection, member.outbox, disconnectReason === DisconnectReason.LEFT)
      if (member.outbox.waitingBytes > 0 && !connection.isClosedUnsafe()) {
        yield* Effect.logInfo(`${connection.address} was cut with ${member.outbox.waitingBytes} bytes unsent`)
      }
      member.outbox.close()
      registry.forgetUnsafe(client)
      connection.destroyUnsafe()
      client.span?.end(client.info, disconnectReason, exit)
    })

  const live = (
    connection: Connection,
    span?: ConnectionSpan.ConnectionSpan
  ): Effect.Effect<DisconnectReason.DisconnectReason> =>
    openGate === undefined
      ? Effect.acquireUseRelease(join(connection, span), relayAll, leave)
      : // What a gate does when its client goes comes after the farewell, and delays nobody.
        Effect.scoped(Effect.acquireUseRelease(join(connection, span), relayAdmitted(openGate), leave))

  return Session.of({
    run: (connection: Connection): Effect.Effect<void> =>
      (trace === undefined ? live(connection) : trace(connection, (span) => live(connection, span))).pipe(
        Effect.asVoid,
        Effect.catchCause((cause) => {
          if (Cause.hasInterruptsOnly(cause)) return Effect.void
          connection.destroyUnsafe()
          return Effect.logError(`${connection.address} session failed`, cause)
        })
      ),
    beginShutdown: Effect.sync(linger.hurryUnsafe)
  })
})

/** An interruption from within the host program's own effects is a defect of theirs, not the end of the server. */
const notInterrupted = <A, R>(effect: Effect.Effect<A, never, R>): Effect.Effect<A, never, R> =>
  Effect.catchCauseIf(effect, Cause.hasInterruptsOnly, () =>
    Effect.die(new Error("the gate of a client was interrupted"))
  )

const count = (clients: number) => (clients === 1 ? "1 client" : `${clients} clients`)
