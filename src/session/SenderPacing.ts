import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { monotonicMillis } from "../internal/time.ts"
import { Backpressure, type Verdict } from "../limits/Backpressure.ts"
import { Broadcaster } from "../room/Broadcaster.ts"
import type { Client, Hold } from "./Client.ts"
import { ClientRegistry } from "./ClientRegistry.ts"
import { PAUSED, THROTTLED } from "./Incidents.ts"

/** When a sender is not read. That time does not count as its silence. */
export interface SenderPacing {
  /** While slow readers hold up the room. */
  readonly untilUncongested: (client: Client) => Effect.Effect<void>
  /** As long as backpressure says. */
  readonly apply: (client: Client, verdict: Exclude<Verdict, "disconnect">) => Effect.Effect<void>
}

export const make = Effect.gen(function* () {
  const broadcaster = yield* Broadcaster
  const backpressure = yield* Backpressure
  const registry = yield* ClientRegistry
  const clock = yield* Clock.Clock

  const hold = (client: Client, reason: Hold, wait: Effect.Effect<void>): Effect.Effect<void> =>
    Effect.suspend(() => {
      const since = monotonicMillis(clock)
      registry.changeUnsafe(client, { hold: reason })
      const release = Effect.sync(() => {
        registry.changeUnsafe(client, { hold: undefined })
        client.lastLine += monotonicMillis(clock) - since
      })
      return Effect.ensuring(wait, release)
    })

  const pacing: SenderPacing = {
    untilUncongested: (client) => hold(client, "congested", broadcaster.uncongested),
    apply: (client, verdict) => {
      if (verdict === "pass") return Effect.void
      const [incident, wait] =
        verdict === "throttle" ? [THROTTLED, backpressure.throttle] : [PAUSED, backpressure.flowControl]
      return Effect.andThen(client.note(incident, 1, monotonicMillis(clock)), hold(client, verdict, wait))
    }
  }
  return pacing
})
