import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { ServerConfig } from "../config/ServerConfig.ts"
import { Backpressure, type Verdict } from "../limits/Backpressure.ts"
import { Quarantine } from "../limits/Quarantine.ts"
import * as Notice from "../protocol/Notice.ts"
import { Broadcaster } from "../room/Broadcaster.ts"
import * as DisconnectReason from "../room/DisconnectReason.ts"
import type { Client } from "./Client.ts"
import { ClientRegistry, toText } from "./ClientRegistry.ts"
import { MessageFilter } from "./MessageFilter.ts"
import type { SenderPacing } from "./SenderPacing.ts"

/** Has the `MessageFilter` of the host program decide on lines. */
export interface LineFilter {
  /** Makes the gate of a client, at whose lines `LineRelay` stops from then on. `undefined`: there is no filter. */
  readonly open: ((client: Client) => Effect.Effect<void, never, Scope.Scope>) | undefined
  /**
   * Does what the gate decides on the line at which `LineRelay` has stopped.
   *
   * @returns what backpressure says of its sender, or why the sender is disconnected
   */
  readonly decide: (client: Client) => Effect.Effect<Exclude<Verdict, "disconnect"> | DisconnectReason.DisconnectReason>
}

export const make = Effect.fnUntraced(function* (pacing: SenderPacing) {
  const { max_line_bytes } = (yield* ServerConfig).hyper_parameters
  const open = yield* MessageFilter
  const broadcaster = yield* Broadcaster
  const backpressure = yield* Backpressure
  const quarantine = yield* Quarantine
  const registry = yield* ClientRegistry
  const isKeepingOut = () => quarantine.cooldownMillisUnsafe() > 0

  const checkNotice = (text: string): string => {
    const problem = Notice.problemOf(text, max_line_bytes)
    if (problem !== undefined) throw new Error(problem.detail)
    return text
  }

  /** Every line waits for its decision: that publishes no change of the client's state, and counts as silence. */
  const waiting = <A>(client: Client, wait: Effect.Effect<A>): Effect.Effect<A> =>
    Effect.suspend(() => {
      client.hold = "admission"
      return Effect.ensuring(
        wait,
        Effect.sync(() => {
          client.hold = undefined
        })
      )
    })

  const decide = Effect.fnUntraced(function* (client: Client) {
    const { framing, gate, member } = client
    if (gate === undefined) return "pass"
    const line = toText(framing.bytes, framing.start, framing.end)
    const decision = yield* waiting(client, gate(line))
    switch (decision._tag) {
      case "Relay": {
        while (broadcaster.isCongestedUnsafe()) yield* pacing.untilUncongested(client)
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

  const lineFilter: LineFilter = {
    open:
      open &&
      ((client) => {
        const { address, ip, subject, transport } = client.connection
        const sender = { address, ip, transport, ...(subject !== undefined && { subject }) }
        return Effect.map(notInterrupted(open(sender)), (gate) => {
          client.gate = (line) => notInterrupted(gate(line))
        })
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
