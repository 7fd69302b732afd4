import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { ServerConfig } from "../config/CurrentConfig.ts"
import { background } from "../internal/background.ts"
import { monotonicMillis, repeatEvery, sleepAwake } from "../internal/time.ts"
import { Backpressure, type Verdict } from "../limits/Backpressure.ts"
import { Quarantine } from "../limits/Quarantine.ts"
import type { ClientIdentity } from "../net/ClientIdentity.ts"
import * as Notice from "../protocol/Notice.ts"
import { Broadcaster } from "../room/Broadcaster.ts"
import type { Member } from "../room/Room.ts"
import * as DisconnectReason from "../room/DisconnectReason.ts"
import type { Client } from "./Client.ts"
import { ClientRegistry, toText } from "./ClientRegistry.ts"
import * as Group from "./Group.ts"
import type { Arrival, Open } from "./MessageFilter.ts"
import type { SenderPacing } from "./SenderPacing.ts"

/** The `MessageFilter` of the host program. */
export const CurrentFilter = Context.Reference<Open | undefined>("summoner-server/MessageFilter", {
  defaultValue: () => undefined
})

/**
 * The longest that a `MessageFilter` may take to answer, in milliseconds. Until it answers the client's connection is not read, and a close
 * goes unnoticed: without a limit, a filter that hangs would keep the places of clients that have gone.
 */
const ANSWER_MILLIS = 600_000

/** Seconds between checks of that limit. */
const ANSWER_CHECK_SECONDS = 60

/** Has the `MessageFilter` of the host program decide on clients and lines. */
export interface LineFilter {
  /**
   * Has it decide on a client that has connected, at whose lines `LineRelay` stops from then on. `undefined`: there is no filter.
   *
   * @returns whether the client is admitted to the room, or why it is disconnected
   */
  readonly open:
    | ((client: Client) => Effect.Effect<boolean | DisconnectReason.DisconnectReason, never, Scope.Scope>)
    | undefined
  /**
   * Does what the gate decides on the line at which `LineRelay` has stopped.
   *
   * @returns what backpressure says of its sender, that it is admitted to the room, or why it is disconnected
   */
  readonly decide: (
    client: Client
  ) => Effect.Effect<Exclude<Verdict, "disconnect"> | "admitted" | DisconnectReason.DisconnectReason>
}

export const make = Effect.fnUntraced(function* (pacing: SenderPacing) {
  const { max_line_bytes } = (yield* ServerConfig).hyper_parameters
  const open = yield* CurrentFilter
  const broadcaster = yield* Broadcaster
  const backpressure = yield* Backpressure
  const quarantine = yield* Quarantine
  const registry = yield* ClientRegistry
  const clock = yield* Clock.Clock
  const isKeepingOut = () => quarantine.cooldownMillisUnsafe() > 0
  const clients = new WeakMap<ClientIdentity, Client>()

  const memberOf = (sender: ClientIdentity): Member | undefined => {
    const client = clients.get(sender)
    return client?.isInRoom === true ? client.member : undefined
  }

  const checkNotice = (text: string): string => {
    const problem = Notice.problemOf(text, max_line_bytes)
    if (problem !== undefined) throw new Error(problem.detail)
    return text
  }

  const notify = (client: Client, notice: string | undefined) => {
    if (notice !== undefined) client.notify(Notice.fromText(checkNotice(notice)))
  }

  const byApplication = (decision: DisconnectReason.DisconnectOptions) => {
    if (decision.notice !== undefined) checkNotice(decision.notice)
    return DisconnectReason.byApplication(decision, isKeepingOut())
  }

  /** When each client began to wait for an answer, in order. */
  const asked = new Map<Client, number>()
  /** Every line waits for its decision: that publishes no change of the client's state, and counts as silence. */
  const waiting = <A, R>(client: Client, answer: Effect.Effect<A, never, R>): Effect.Effect<A, never, R> =>
    Effect.suspend(() => {
      client.hold = "admission"
      asked.set(client, monotonicMillis(clock))
      return Effect.ensuring(
        answer,
        Effect.sync(() => {
          client.hold = undefined
          asked.delete(client)
        })
      )
    })
  const giveUp = Effect.sync(() => {
    const latest = monotonicMillis(clock) - ANSWER_MILLIS
    for (const [client, sinceMillis] of asked) if (sinceMillis <= latest) client.disconnect(DisconnectReason.UNANSWERED)
  })
  if (open !== undefined) {
    yield* background(
      "a message filter that hangs holds clients without a limit",
      repeatEvery(() => ANSWER_CHECK_SECONDS, giveUp)
    )
  }

  const recipientsOf = (to: Group.Group | ((address: string) => boolean), member: Member) =>
    typeof to === "function"
      ? Array.from(broadcaster.members).filter((other) => other !== member && to(other.address))
      : to.resolveUnsafe(memberOf)

  const decide = Effect.fnUntraced(function* (client: Client) {
    const { framing, gate, member } = client
    if (gate === undefined) return "pass"
    const line = toText(framing.bytes, framing.start, framing.end)
    const decision = yield* waiting(client, gate(line))
    switch (decision?._tag) {
      case "Relay": {
        if (!client.isInRoom) throw new Error("the gate of a client relays its line before it is admitted")
        while (broadcaster.isCongestedUnsafe()) yield* pacing.untilUncongested(client)
        const bytes = Buffer.from(decision.content ?? line)
        const recipients = decision.to && recipientsOf(decision.to, member)
        const fanOut =
          recipients === undefined
            ? broadcaster.sizeUnsafe() - 1
            : recipients.length - (recipients.includes(member) ? 1 : 0)
        const verdict = backpressure.decideUnsafe(fanOut)
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
        notify(client, decision.notice)
        return "pass"
      case "Admit":
        notify(client, decision.notice)
        return client.isInRoom ? "pass" : "admitted"
      case "Disconnect":
        return byApplication(decision)
      default:
        throw new Error(`a gate decides relay, refuse, admit or disconnect; found ${String(decision)}`)
    }
  })

  const arrive = Effect.fnUntraced(function* (client: Client, arrival: Arrival) {
    if (typeof arrival === "function") {
      client.gate = (line) => notInterrupted(arrival(line))
      return true
    }
    switch (arrival?._tag) {
      case "Hold": {
        const { gate, notice, within } = arrival
        if (notice !== undefined) checkNotice(notice)
        client.gate = (line) => notInterrupted(gate(line))
        const giveUp = Effect.sync(() => {
          if (!client.isInRoom) client.disconnect(DisconnectReason.notAdmitted(notice))
        })
        yield* background(
          "a client is held outside without a limit",
          Effect.andThen(sleepAwake(Duration.toMillis(within)), giveUp)
        )
        return false
      }
      case "Disconnect":
        return byApplication(arrival)
      default:
        throw new Error(`a message filter returns a gate, hold or disconnect; found ${String(arrival)}`)
    }
  })

  const lineFilter: LineFilter = {
    open:
      open &&
      ((client) => {
        const { address, ip, subject, transport } = client.connection
        const sender = { address, ip, transport, ...(subject !== undefined && { subject }) }
        client.sender = sender
        clients.set(sender, client)
        Group.connected(sender)
        return Effect.flatMap(waiting(client, notInterrupted(open(sender))), (arrival) => arrive(client, arrival))
      }),
    decide
  }
  return lineFilter
})

/** An interruption within an effect of the host program is its defect, not the shutdown of the server. */
const notInterrupted = <A, R>(effect: Effect.Effect<A, never, R>): Effect.Effect<A, never, R> =>
  Effect.catchCauseIf(effect, Cause.hasInterruptsOnly, () =>
    Effect.die(new Error("the gate of a client was interrupted"))
  )
