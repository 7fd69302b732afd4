/** The server-sent events of the dashboard: `stats` every second, and `changes` with the client events since the last one. */
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

/** Client events sent per second: the newest. A flood of connects must not become a flood of events. */
export const CHANGES_PER_SECOND = 20

const event = (name: string, data: unknown): string =>
  Sse.encoder.write({ _tag: "Event", event: name, id: undefined, data: JSON.stringify(data) })

interface TimedChange {
  readonly change: Observed<ClientChange>
  readonly at: Date
}

/** Keeps the newest changes and counts the others. */
const newest = Sink.reduce(
  () => ({ kept: [] as Array<TimedChange>, missed: 0 }),
  (batch, timed: TimedChange) => {
    batch.kept.push(timed)
    batch.missed += timed.change.missed
    if (batch.kept.length > CHANGES_PER_SECOND) {
      batch.kept.shift()
      batch.missed++
    }
    return batch
  }
)

/**
 * @param operations the server whose client events are sent
 * @param stats the current statistics
 */
export const make = (
  operations: Operations,
  stats: Effect.Effect<typeof AdminApi.Stats.Type>
): Stream.Stream<string> => {
  const ticks = Stream.fromEffectSchedule(stats, Schedule.spaced("1 second")).pipe(
    Stream.map((now) => event("stats", now))
  )
  const changes = Stream.unwrap(
    Effect.map(Clock.Clock, (clock) => {
      const from = clock.currentTimeMillisUnsafe()
      return operations.changes.pipe(
        // The feed begins with the clients that are connected already.
        Stream.filter((change) => change._tag !== "Connected" || change.client.connectedSince.getTime() >= from),
        Stream.map((change) => ({ change, at: new Date(clock.currentTimeMillisUnsafe()) })),
        // Not `groupedWithin`: a flood would fill several groups a second.
        Stream.aggregateWithin(newest, Schedule.spaced("1 second")),
        Stream.map(({ kept, missed }) =>
          event("changes", { changes: kept.map(({ at, change }) => ApiViews.change(change, at)), missed })
        )
      )
    })
  )
  return Stream.merge(ticks, changes)
}
