import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { background } from "../internal/background.ts"
import { monotonicMillis } from "../internal/monotonicClock.ts"
import { repeatEvery } from "../internal/repeatEvery.ts"
import * as Incidents from "./Incidents.ts"

/** How often what was counted meanwhile is told, in seconds. */
const REPORT_SECONDS = 10

/**
 * Counts who was refused, and tells the log in few lines, until the scope ends.
 *
 * @param totals counts what happens
 */
export const make = Effect.fnUntraced(function* (totals: Incidents.Totals) {
  const clock = yield* Clock.Clock
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  const refusals = new Incidents.IncidentLog(totals)
  let lastRefused = ""

  const report = (nowMillis: number): Effect.Effect<void> => {
    const lines = refusals.report(nowMillis)
    return lines.length === 0
      ? Effect.void
      : Effect.logWarning(`connections refused: ${lines.join(", ")}; last from ${lastRefused}`)
  }
  yield* Effect.addFinalizer(() => Effect.suspend(() => report(Infinity)))
  // What is counted is told also when nobody else is refused.
  const reportNow = Effect.suspend(() => report(monotonicMillis(clock)))
  yield* background(
    "how often somebody is refused is no longer logged",
    repeatEvery(() => REPORT_SECONDS, reportNow)
  )

  return {
    /** @param ip of whoever was refused */
    refusedUnsafe: (ip: string, incident: Incidents.Incident): void => {
      lastRefused = ip
      refusals.count(incident)
      const logged = report(monotonicMillis(clock))
      if (logged !== Effect.void) runFork(logged)
    }
  }
})
