import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { monotonicMillis } from "../internal/monotonicClock.ts"
import { Backpressure } from "../limits/Backpressure.ts"
import { Broadcaster } from "../room/Broadcaster.ts"
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
  const { relayedUnsafe } = yield* ClientRegistry
  const clock = yield* Clock.Clock

  const relay: LineRelay = (client) => {
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
      if (!broadcaster.publishUnsafe(member, bytes, start, end, true)) {
        rejections.count("oversized")
        if (++rejected === REJECTED_PER_TURN) return "rejecting"
        continue
      }
      relayedUnsafe(member.address, bytes, start, end)
      if (verdict !== "pass") return verdict
    }
    return "congested"
  }
  return relay
})
