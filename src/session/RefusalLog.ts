import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { background } from "../internal/background.ts"
import type * as Fields from "../logging/Fields.ts"
import { monotonicMillis, repeatEvery } from "../internal/time.ts"
import { ClientRegistry } from "./ClientRegistry.ts"
import { IncidentLog } from "./IncidentLog.ts"
import type { Incident, Totals } from "./Incidents.ts"

/** Time between two lines about refusals that were only counted, in seconds. */
const REPORT_SECONDS = 10

/** Counts refused connections, and logs them in few lines. */
export class RefusalLog extends Context.Service<
  RefusalLog,
  {
    /** @param ip whose connection was refused */
    readonly refusedUnsafe: (ip: string, incident: Incident) => void
    /** Logs what has been counted since the last line. */
    readonly flush: Effect.Effect<void>
  }
>()("summoner-server/RefusalLog") {
  /** Counts in the totals of the `ClientRegistry` as well. */
  static readonly layer = Layer.effect(
    RefusalLog,
    Effect.flatMap(ClientRegistry, ({ totals }) => make(totals))
  )
}

/** @param totals where to count as well */
export const make = Effect.fnUntraced(function* (totals: Totals) {
  const clock = yield* Clock.Clock
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  const refusals = new IncidentLog(totals)
  let lastRefused = ""

  const report = (nowMillis: number): Effect.Effect<void> => {
    const fields: Fields.Fields = { "summoner.client.ip": lastRefused }
    const lines = refusals.report(nowMillis, ({ code }, times) => {
      fields[`summoner.incident.${code}`] = times
    })
    if (lines.length === 0) return Effect.void
    const log = Effect.logWarning(`connections refused: ${lines.join(", ")}; last from ${lastRefused}`)
    return Effect.annotateLogs(log, fields)
  }
  const flush = Effect.suspend(() => report(Infinity))
  yield* Effect.addFinalizer(() => flush)
  // Counts are logged also when no further connection is refused.
  const reportNow = Effect.suspend(() => report(monotonicMillis(clock)))
  yield* background(
    "how often somebody is refused is no longer logged",
    repeatEvery(() => REPORT_SECONDS, reportNow)
  )
  return RefusalLog.of({
    refusedUnsafe: (ip, incident) => {
      lastRefused = ip
      refusals.count(incident)
      const logged = report(monotonicMillis(clock))
      if (logged !== Effect.void) runFork(logged)
    },
    flush
  })
})
