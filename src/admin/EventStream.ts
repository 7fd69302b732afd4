/**
 * What the dashboard shows, as server-sent events: `stats` every second, `changes` with what has happened to clients since the
 * last one.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Sse from "effect/encoding/Sse"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { Operations } from "../relay/Operations.ts"
import type * as AdminApi from "./AdminApi.ts"
import * as Views from "./Views.ts"

/** Changes that one second has, the newest. A flood of connects must not become one of events. */
export const CHANGES_PER_SECOND = 20

const event = (name: string, data: unknown): string =>
  Sse.encoder.write({ _tag: "Event", event: name, id: undefined, data: JSON.stringify(data) })

/** @param stats what there is to tell now */
export const make = (
  operations: Operations,
  stats: Effect.Effect<typeof AdminApi.Stats.Type>
): Stream.Stream<string> => {
  const ticks = Stream.fromSchedule(Schedule.spaced("1 second")).pipe(
    Stream.mapEffect(() => stats),
    (later) => Stream.concat(Stream.fromEffect(stats), later),
    Stream.map((now) => event("stats", now))
  )
  const changes = Stream.unwrap(
    Effect.map(DateTime.nowAsDate, (from) =>
      operations.changes.pipe(
        // Who is in the room already has not come just now.
        Stream.filter((change) => change._tag !== "Connected" || change.client.connectedSince >= from),
        Stream.mapEffect((change) =>
          Effect.map(DateTime.nowAsDate, (at) => ({ change: Views.change(change, at), missed: change.missed }))
        ),
        Stream.groupedWithin(1024, "1 second"),
        Stream.map((group) => {
          const missed = group.reduce((sum, { missed }) => sum + missed, 0)
          const shown = group.slice(-CHANGES_PER_SECOND).map(({ change }) => change)
          return event("changes", { changes: shown, missed: missed + group.length - shown.length })
        })
      )
    )
  )
  return Stream.merge(ticks, changes)
}
