import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { monotonicMillis } from "../internal/time.ts"
import { Backpressure, type Verdict } from "../limits/Backpressure.ts"
import { Broadcaster, type Publish } from "../room/Broadcaster.ts"
import type { Client, Hold } from "./Client.ts"
import { ClientRegistry } from "./ClientRegistry.ts"

/** Why lines are not relayed for now; `drained`: because there are none; `rejecting`: because so many of them were rejected. */
export type Stop = "drained" | "rejecting" | "disconnect" | Hold

/** Relays the lines that a client has sent until there are none, or the client has to wait. */
export type LineRelay = (client: Client) => Stop

/** Lines rejected in one turn of the event loop. A read of 64 KiB may hold 32,768, which would keep the others waiting. */
const REJECTED_PER_TURN = 256

/** The hot path: plain code on bytes. */
export const make = Effect.gen(function* () {
  const broadcaster = yield* Broadcaster
  const backpressure = yield* Backpressure
  const { areLinesWatchedUnsafe, countRelayedUnsafe, relayedUnsafe } = yield* ClientRegistry
  const clock = yield* Clock.Clock

  /**
   * Relays together as many of the next lines as one batch takes.
   *
   * @returns `undefined`, if there was none, because the first may be too long
   */
  const relayTogether = (client: Client, publishLines: NonNullable<Publish["lines"]>, now: number) => {
    const { budget, framing, member } = client
    const { bytes, end, start } = framing
    let relayed = 0
    let outcome = "pass" as Verdict | "over rate"
    const linesEnd = publishLines(member, bytes, start, end, (lines) => {
      while (relayed < lines && outcome === "pass") {
        outcome = budget.spendUnsafe(now) ? backpressure.decideUnsafe(broadcaster.sizeUnsafe() - 1) : "over rate"
        if (outcome !== "over rate" && outcome !== "disconnect") relayed++
      }
      return relayed
    })
    framing.skipTo(linesEnd)
    if (relayed > 0) client.lastLine = now
    client.linesIn += outcome === "disconnect" ? relayed + 1 : relayed
    countRelayedUnsafe(relayed)
    return relayed === 0 && outcome === "pass" ? undefined : outcome
  }

  const relay: LineRelay = (client) => {
    const { budget, framing, gate, member, rejectedLines: rejections } = client
    const now = monotonicMillis(clock)
    const publishLines = gate === undefined && !areLinesWatchedUnsafe() ? broadcaster.publishUnsafe.lines : undefined
    let rejected = 0
    while (!broadcaster.isCongestedUnsafe()) {
      let isOverRate = false
      if (publishLines !== undefined && !client.isHeldUp && framing.nextLines()) {
        const outcome = relayTogether(client, publishLines, now)
        if (outcome === "pass") continue
        client.isHeldUp = true
        isOverRate = outcome === "over rate"
        if (outcome !== undefined && outcome !== "over rate") return outcome
      }
      const frame = framing.next()
      if (frame === "none") return "drained"
      client.lastLine = now
      client.linesIn++
      client.isHeldUp = true
      if (frame !== "line") {
        rejections.count(frame)
        if (++rejected === REJECTED_PER_TURN) return "rejecting"
        continue
      }
      if (isOverRate || !budget.spendUnsafe(now)) {
        rejections.count("rate limited")
        if (++rejected === REJECTED_PER_TURN) return "rejecting"
        continue
      }
      if (gate !== undefined) return "admission"
      const verdict = backpressure.decideUnsafe(broadcaster.sizeUnsafe() - 1)
      if (verdict === "disconnect") return verdict
      const { bytes, end, start } = framing
      if (!broadcaster.publishUnsafe(member, bytes, start, end, framing.isInChunk)) {
        rejections.count("oversized")
        if (++rejected === REJECTED_PER_TURN) return "rejecting"
        continue
      }
      relayedUnsafe(member.address, bytes, start, end)
      if (verdict !== "pass") return verdict
      client.isHeldUp = false
    }
    return "congested"
  }
  return relay
})
