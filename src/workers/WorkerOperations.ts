import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { EventFeed } from "../internal/EventFeed.ts"
import { Histogram } from "../internal/Histogram.ts"
import type { BusStats } from "../room/Bus.ts"
import { noDisconnects } from "../room/DisconnectReason.ts"
import type { Stats } from "../session/ClientRegistry.ts"
import { noTotals } from "../session/Incidents.ts"
import { ClientNotFound } from "../session/OperationErrors.ts"
import type { Operations, ServerState } from "../session/Operations.ts"
import { busOf, statsOf, sumOf } from "./aggregateStats.ts"
import type * as Messages from "./Messages.ts"
import type { WorkerProcess } from "./WorkerProcess.ts"
import type { Workers } from "./Workers.ts"

/** How far the whole server is. */
export interface Status {
  state: ServerState
}

/** What there is to know of a server whose workers have not told anything yet. */
const nothing = (startedAt: Date): Stats => {
  const { distribution } = new Histogram([])
  return {
    startedAt,
    clients: 0,
    connections: 0,
    linesIn: 0,
    linesRelayed: 0,
    linesOut: 0,
    bytesIn: 0,
    bytesOut: 0,
    bytesWaiting: 0,
    bytesWaitingMax: 0,
    incidents: noTotals(),
    departures: noDisconnects(),
    fanOut: distribution,
    latencyMicros: distribution,
    quarantined: 0,
    missedByConsumers: 0
  }
}

/** What workers that answer have answered. Who has crashed, or is stuck, has nothing to say. */
const ofAll = <A, E>(
  workers: ReadonlyArray<WorkerProcess>,
  ask: (worker: WorkerProcess) => Effect.Effect<A, E>
): Effect.Effect<ReadonlyArray<Exit.Exit<A, E>>> =>
  Effect.forEach(workers, (worker) => Effect.exit(ask(worker)), { concurrency: "unbounded" })

const listening = (workers: Workers): ReadonlyArray<WorkerProcess> =>
  workers.liveUnsafe().filter(({ isListening }) => isListening)

const successes = <A, E>(exits: ReadonlyArray<Exit.Exit<A, E>>): ReadonlyArray<A> =>
  exits.flatMap((exit) => (Exit.isSuccess(exit) ? [exit.value] : []))

/** Waits until statistics are those of now, as far as the workers answer. */
export const refresh = (workers: Workers): Effect.Effect<void> =>
  Effect.asVoid(Effect.suspend(() => ofAll(listening(workers), (worker) => worker.call("report"))))

/**
 * The operations of a server of several workers. Statistics are as old as the last report of each worker, a second at most.
 */
export const make = (workers: Workers, status: Status, startedAt: Date): Operations => {
  const all = <A, E>(ask: (worker: WorkerProcess) => Effect.Effect<A, E>) =>
    Effect.map(
      Effect.suspend(() => ofAll(listening(workers), ask)),
      successes
    )

  /** The one worker that does it; the failure of one, if none does. */
  const oneOf = <E>(ask: (worker: WorkerProcess) => Effect.Effect<void, E>, none: () => Effect.Effect<void, E>) =>
    Effect.flatMap(
      Effect.suspend(() => ofAll(listening(workers), ask)),
      (exits) => {
        if (exits.some(Exit.isSuccess)) return Effect.void
        const failures = exits.filter(Exit.isFailure)
        const known = failures.find(({ cause }) => {
          const error = Cause.squash(cause)
          return !(error instanceof ClientNotFound)
        })
        const failure = known ?? failures[0]
        return failure === undefined ? none() : Effect.failCause(failure.cause)
      }
    )

  /** What one worker says for all: the one that was heard last, which is not stuck. */
  const first = <A, E>(ask: (worker: WorkerProcess) => Effect.Effect<A, E>, otherwise: A): Effect.Effect<A, E> =>
    Effect.suspend(() => {
      const worker = listening(workers).toSorted((a, b) => b.heardMillis - a.heardMillis)[0]
      return worker === undefined ? Effect.succeed(otherwise) : ask(worker)
    })

  const stream = <A extends object>(feed: Messages.Feed): Stream.Stream<A> =>
    Stream.unwrap(
      Effect.gen(function* () {
        const events = yield* EventFeed.make<{ readonly event: { readonly missed: number } & object }>()
        yield* workers.watch({
          feed,
          onEvents: (some) => {
            for (const event of some) events.publish({ event: event as { readonly missed: number } })
          }
        })
        return Stream.map(
          events.stream(),
          ({ event, missed }) => ({ ...event, missed: missed + event.missed }) as never
        )
      })
    )

  const turn = (from: ServerState, to: ServerState, call: "drain" | "undrain", message: string) =>
    Effect.suspend(() => {
      if (status.state !== from) return Effect.void
      status.state = to
      workers.drainUnsafe(call === "drain")
      // Those that are about to listen, too.
      return Effect.andThen(
        ofAll(workers.liveUnsafe(), (worker) => worker.call(call)),
        Effect.logInfo(message)
      )
    })

  return {
    state: Effect.sync(() => status.state),
    drain: turn("ready", "draining", "drain", "draining: no new clients"),
    undrain: turn("draining", "ready", "undrain", "taking new clients again"),
    clients: Effect.map(
      all((worker) => worker.call("clients")),
      (lists) => lists.flat()
    ),
    changes: stream("changes"),
    messages: stream("messages"),
    events: stream("events"),
    broadcast: (content, options) => first((worker) => worker.call("broadcast", content, options?.from), undefined),
    send: (address, notice) =>
      oneOf(
        (worker) => worker.call("send", address, notice),
        () => Effect.fail(new ClientNotFound({ address }))
      ),
    disconnect: (address, options) =>
      oneOf(
        (worker) => worker.call("disconnect", address, options),
        () => Effect.fail(new ClientNotFound({ address }))
      ),
    quarantine: {
      list: Effect.map(
        all((worker) => worker.call("quarantined")),
        (lists) => {
          const longest = new Map<string, number>()
          for (const { key, remainingMillis } of lists.flat()) {
            longest.set(key, Math.max(remainingMillis, longest.get(key) ?? 0))
          }
          return Array.from(longest, ([key, remainingMillis]) => ({ key, remainingMillis }))
        }
      ),
      // One tells the others.
      add: (key) => first((worker) => worker.call("quarantine", key), undefined),
      lift: (key) =>
        Effect.map(
          all((worker) => worker.call("lift", key)),
          (lifted) => lifted.includes(true)
        )
    },
    stats: Effect.sync(() => {
      const reported = workers.liveUnsafe().flatMap(({ report }) => report?.stats ?? [])
      const past = workers.pastUnsafe()
      const [some, ...others] = [...reported, ...(past === undefined ? [] : [past])]
      const stats = some === undefined ? nothing(startedAt) : statsOf([some, ...others], startedAt)
      return { ...stats, incidents: sumOf(stats.incidents, workers.refusedUnsafe()) }
    }),
    cluster: {
      stats: Effect.sync((): BusStats =>
        busOf(
          workers.liveUnsafe().flatMap(({ report }) => report?.bus ?? []),
          workers.pastBusUnsafe()
        )
      ),
      peers: Effect.sync(() => workers.liveUnsafe().find(({ report }) => report !== undefined)?.report?.peers ?? []),
      clients: first((worker) => worker.call("room"), { clients: [], silent: [], omitted: 0 })
    }
  }
}
