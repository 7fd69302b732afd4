/**
 * What the dashboard shows, as server-sent events: `stats` every second, `changes` with what has happened to clients since the
 * last one.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Sse from "effect/encoding/Sse"
import * as Schedule from "effect/Schedule"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { Observed } from "../internal/EventFeed.ts"
import type { ClientChange } from "../session/ClientRegistry.ts"
import type { Operations } from "../session/Operations.ts"
import type * as AdminApi from "./AdminApi.ts"
import * as ApiViews from "./ApiViews.ts"

/** Changes that one second has, the newest. A flood of connects must not become one of events. */
export const CHANGES_PER_SECOND = 20

const event = (name: string, data: unknown): string =>
  Sse.encoder.write({ _tag: "Event", event: name, id: undefined, data: JSON.stringify(data) })

interface Moment {
  readonly change: Observed<ClientChange>
  readonly at: Date
}

/** Keeps the last changes, and counts the others. */
const newest = Sink.reduce(
  () => ({ shown: [] as Array<Moment>, missed: 0 }),
  (batch, moment: Moment) => {
    batch.shown.push(moment)
    batch.missed += moment.change.missed
    if (batch.shown.length > CHANGES_PER_SECOND) {
      batch.shown.shift()
      batch.missed++
    }
    return batch
  }
)

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
    Effect.map(Clock.Clock, (clock) => {
      const from = clock.currentTimeMillisUnsafe()
      return operations.changes.pipe(
        // Who is in the room already has not come just now.
        Stream.filter((change) => change._tag !== "Connected" || change.client.connectedSince.getTime() >= from),
        Stream.map((change) => ({ change, at: new Date(clock.currentTimeMillisUnsafe()) })),
        // Not in groups of a size: a flood would fill many of them in a second.
        Stream.aggregateWithin(newest, Schedule.spaced("1 second")),
        Stream.map(({ missed, shown }) =>
          event("changes", { changes: shown.map(({ at, change }) => ApiViews.change(change, at)), missed })
        )
      )
    })
  )
  return Stream.merge(ticks, changes)
}
