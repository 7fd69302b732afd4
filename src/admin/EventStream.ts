/** The server-sent events of the dashboard. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Sse from "effect/encoding/Sse"
import * as Schedule from "effect/Schedule"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { Observed } from "../internal/EventFeed.ts"
import type { Operations } from "../session/Operations.ts"
import type * as AdminApi from "./AdminApi.ts"
import * as ApiViews from "./ApiViews.ts"

/** Client events, or messages, sent per second: the newest. A flood of connects must not become a flood of events. */
export const SHOWN_PER_SECOND = 20

const event = (name: string, data: unknown): string =>
  Sse.encoder.write({ _tag: "Event", event: name, id: undefined, data: JSON.stringify(data) })

const SECOND = Schedule.spaced("1 second")

interface Timed<A> {
  readonly item: Observed<A>
  readonly at: Date
}

/** The newest items of each second, with the number of those left out. */
const newest = <A extends object>(items: Stream.Stream<Observed<A>>) =>
  Stream.unwrap(
    Effect.map(Clock.Clock, (clock) =>
      items.pipe(
        Stream.map((item): Timed<A> => ({ item, at: new Date(clock.currentTimeMillisUnsafe()) })),
        // Not `groupedWithin`: a flood would fill several groups a second.
        Stream.aggregateWithin(
          Sink.reduce(
            () => ({ kept: [] as Array<Timed<A>>, missed: 0 }),
            (batch, timed: Timed<A>) => {
              batch.kept.push(timed)
              batch.missed += timed.item.missed
              if (batch.kept.length > SHOWN_PER_SECOND) {
                batch.kept.shift()
                batch.missed++
              }
              return batch
            }
          ),
          SECOND
        )
      )
    )
  )

/** `stats` every second, and `changes` with the client events since the last one. */
export const events = (
  operations: Operations,
  stats: Effect.Effect<typeof AdminApi.Stats.Type>
): Stream.Stream<string> => {
  const ticks = Stream.fromEffectSchedule(stats, SECOND).pipe(Stream.map((now) => event("stats", now)))
  const changes = Stream.unwrap(
    Effect.map(Clock.currentTimeMillis, (from) =>
      // The feed begins with the clients that are connected already.
      Stream.filter(
        operations.changes,
        (change) => change._tag !== "Connected" || change.client.connectedSince.getTime() >= from
      )
    )
  )
  const shown = Stream.map(newest(changes), ({ kept, missed }) =>
    event("changes", { changes: kept.map(({ at, item }) => ApiViews.change(item, at)), missed })
  )
  return Stream.merge(ticks, shown)
}

/**
 * `messages` with the newest messages of each second, and at least once a second, so that readers know a silent room from a lost
 * connection.
 */
export const messages = (operations: Operations): Stream.Stream<string> => {
  const ticks = Stream.fromEffectSchedule(Effect.succeed(event("messages", { messages: [], missed: 0 })), SECOND)
  const shown = Stream.map(newest(operations.messages), ({ kept, missed }) =>
    event("messages", { messages: kept.map(({ at, item }) => ApiViews.message(item, at)), missed })
  )
  return Stream.merge(ticks, shown)
}
