import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { background } from "../internal/background.ts"
import type * as AdminApi from "./AdminApi.ts"

/** Time between two entries, in milliseconds. */
const STEP_MILLIS = 10_000

/** Entries kept: fifteen minutes. */
export const MAX_ENTRIES = 90

/**
 * Keeps the statistics of the last fifteen minutes, for those who look after something has happened.
 *
 * @returns `json`: the entries as an array, oldest first. Each is encoded once, because to encode all of them for a request would hold up the room
 */
export const make = Effect.fnUntraced(function* <R>(stats: Effect.Effect<typeof AdminApi.Stats.Type, never, R>) {
  const entries: Array<string> = []
  yield* background(
    "the statistics of the last minutes are no longer kept",
    Effect.repeat(
      Effect.map(stats, (now) => {
        entries.push(JSON.stringify(now))
        if (entries.length > MAX_ENTRIES) entries.shift()
      }),
      Schedule.spaced(STEP_MILLIS)
    )
  )
  return { json: Effect.sync(() => `[${entries.join(",")}]`) }
})
