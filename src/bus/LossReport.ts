import * as Effect from "effect/Effect"

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
  return Effect.fnUntraced(function* (losses: Losses) {
    const { dropped, leaps, lost, malformed } = reported
    reported = { ...losses }
    const news = {
      dropped: losses.dropped - dropped,
      lost: losses.lost - lost,
      malformed: losses.malformed - malformed,
      leaps: losses.leaps - leaps
    }
    if (news.dropped > 0) {
      yield* Effect.logWarning(
        `bus: ${news.dropped} batches for the other relays were dropped: more than max_pending_bytes waited`
      )
    }
    if (news.lost > 0) yield* Effect.logWarning(`bus: ${news.lost} batches of other relays were lost`)
    if (news.malformed > 0) {
      yield* Effect.logWarning(
        `bus: ${news.malformed} messages were not understood: who else uses ${subject}, or a relay of which version?`
      )
    }
    if (news.leaps > 0) {
      yield* Effect.logWarning(
        `bus: ${news.leaps} batches out of sequence: a long gap, or another publisher uses the name of a relay`
      )
    }
  })
}
