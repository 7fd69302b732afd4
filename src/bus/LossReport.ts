import * as Effect from "effect/Effect"
import * as Struct from "effect/Struct"

/** Counts of what has gone wrong on a bus, since it was started. */
export interface Losses {
  /** Batches of this process that were dropped because too many bytes waited. */
  readonly dropped: number
  /** Batches of other processes that never arrived. */
  readonly lost: number
  readonly malformed: number
  /** Times that a relay had published fewer batches than had arrived in its name. */
  readonly leaps: number
}

/**
 * Logs what has gone wrong since the last report.
 *
 * @param subject named in the log
 * @returns an effect to be run with the counts so far, again and again
 */
export const make = (subject: string) => {
  let reported: Losses = { dropped: 0, lost: 0, malformed: 0, leaps: 0 }
  const warnings: { readonly [loss in keyof Losses]: (count: number) => Effect.Effect<void> } = {
    dropped: (count) =>
      Effect.logWarning(`bus: ${count} batches for the other relays were dropped: more than max_pending_bytes waited`),
    lost: (count) => Effect.logWarning(`bus: ${count} batches of other relays were lost`),
    malformed: (count) =>
      Effect.logWarning(
        `bus: ${count} messages were not understood: who else uses ${subject}, or a relay of which version?`
      ),
    leaps: (count) =>
      Effect.logWarning(
        `bus: ${count} batches out of sequence: a long gap, or another publisher uses the name of a relay`
      )
  }
  return (losses: Losses): Effect.Effect<void> => {
    const before = reported
    reported = { ...losses }
    return Effect.forEach(
      Struct.keys(warnings),
      (loss) => (losses[loss] > before[loss] ? warnings[loss](losses[loss] - before[loss]) : Effect.void),
      { discard: true }
    )
  }
}
