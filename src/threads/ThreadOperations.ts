/** The operations of a server of several threads. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { EventFeed, type Observed } from "../internal/EventFeed.ts"
import type { RoomClients } from "../room/Bus.ts"
import { ClientNotFound, type MessageRejected } from "../session/OperationErrors.ts"
import type { Operations } from "../session/Operations.ts"
import { makeDrain, ServerStatus } from "../session/ServerStatus.ts"
import { busOf, statsOf } from "./aggregateStats.ts"
import type { Feeds, Followed } from "./Messages.ts"
import type { Supervisor } from "./Supervisor.ts"
import type { Thread } from "./Thread.ts"

type Answer<A, E> = readonly [thread: Thread, exit: Exit.Exit<A, E>]

/** What all threads answer that listen. One that has crashed, or is stuck, has nothing to say. */
const askAll = <A, E>(supervisor: Supervisor, ask: (thread: Thread) => Effect.Effect<A, E>) =>
  Effect.suspend(() =>
    Effect.forEach(
      supervisor.listeningUnsafe(),
      (thread) => Effect.map(Effect.exit(ask(thread)), (exit): Answer<A, E> => [thread, exit]),
      { concurrency: "unbounded" }
    )
  )

/** Characters of what a client has said. */
const lengthOf = (event: object): number =>
  "content" in event && typeof event.content === "string" ? event.content.length : 0

/** Statistics are as old as the last report of each thread, a second at most. */
export const make = Effect.fnUntraced(function* (supervisor: Supervisor) {
  const status = yield* ServerStatus
  const startedAt = yield* DateTime.nowAsDate

  /** The one thread that does it; the failure of one, if none does. */
  const oneOf = <E>(address: string, ask: (thread: Thread) => Effect.Effect<void, E>) =>
    Effect.flatMap(askAll(supervisor, ask), (answers): Effect.Effect<void, E | ClientNotFound> => {
      if (answers.some(([, exit]) => Exit.isSuccess(exit))) return Effect.void
      const failures = answers.flatMap(([, exit]) => (Exit.isFailure(exit) ? [exit.cause] : []))
      const isNotFound = (cause: (typeof failures)[number]) =>
        cause.reasons.some((reason) => reason._tag === "Fail" && reason.error instanceof ClientNotFound)
      const failure = failures.find((cause) => !isNotFound(cause))
      return failure === undefined ? Effect.fail(new ClientNotFound({ address })) : Effect.failCause(failure)
    })

  /** What one thread says for all: the one that was heard last, which is not stuck. */
  const first = <A, E>(ask: (thread: Thread) => Effect.Effect<A, E>, otherwise: A): Effect.Effect<A, E> =>
    Effect.suspend(() => {
      const thread = supervisor.listeningUnsafe().toSorted((a, b) => b.heardMillis - a.heardMillis)[0]
      return thread === undefined ? Effect.succeed(otherwise) : ask(thread)
    })

  const stream = <F extends keyof Feeds>(feed: F): Stream.Stream<Observed<Feeds[F]>> =>
    Stream.unwrap(
      Effect.gen(function* () {
        const events = yield* EventFeed.make<{ readonly event: Observed<Feeds[F]> }>()
        const publish = (some: Followed<F>) => {
          for (const event of some) events.publish({ event }, lengthOf(event))
        }
        const stops: Array<() => void> = []
        yield* Effect.addFinalizer(() => Effect.sync(() => stops.forEach((stop) => stop())))
        yield* supervisor.follow((thread) => stops.push(thread.follow(feed, publish)))
        return Stream.map(events.stream(), ({ event, missed }) => ({ ...event, missed: missed + event.missed }))
      })
    ).pipe(Stream.haltWhen(supervisor.stopped))

  const operations: Operations = {
    state: Effect.sync(() => status.state),
    ...(yield* makeDrain(supervisor.setDrainingUnsafe)),
    clients: Effect.map(
      askAll(supervisor, (thread) => thread.call("clients", undefined)),
      (answers) => answers.flatMap(([, exit]) => (Exit.isSuccess(exit) ? exit.value : []))
    ),
    changes: stream("changes"),
    messages: stream("messages"),
    events: stream("events"),
    broadcast: (content, { from, to } = {}) => {
      if (to === undefined) {
        return Effect.asVoid(first((thread) => thread.call("broadcast", { content, from, to }), []))
      }
      const wanted = typeof to === "string" ? [to] : [...to]
      return Effect.flatMap(
        askAll(supervisor, (thread) => thread.call("broadcast", { content, from, to: wanted })),
        (answers): Effect.Effect<void, ClientNotFound | MessageRejected> => {
          const rejected = answers.flatMap(([, exit]) => (Exit.isFailure(exit) ? exit.cause.reasons : []))
          const failure = rejected.find((reason) => reason._tag === "Fail")
          if (failure !== undefined) return Effect.fail(failure.error)
          const reached = new Set(answers.flatMap(([, exit]) => (Exit.isSuccess(exit) ? exit.value : [])))
          const absent = wanted.find((address) => !reached.has(address))
          return absent === undefined ? Effect.void : Effect.fail(new ClientNotFound({ address: absent }))
        }
      )
    },
    send: (address, notice) => oneOf(address, (thread) => thread.call("send", { address, notice })),
    disconnect: (address, options) => oneOf(address, (thread) => thread.call("disconnect", { address, options })),
    // All threads have the same one.
    quarantine: {
      list: first((thread) => thread.call("quarantined", undefined), []),
      add: (key) => first((thread) => thread.call("quarantine", key), undefined),
      lift: (key) => first((thread) => thread.call("lift", key), false)
    },
    stats: Effect.sync(() => {
      const reported = supervisor.liveUnsafe().flatMap(({ report }) => report?.stats ?? [])
      return statsOf([...reported, ...supervisor.pastUnsafe()], startedAt)
    }),
    cluster: {
      stats: Effect.sync(() =>
        busOf(
          supervisor.liveUnsafe().flatMap(({ report }) => report?.bus ?? []),
          supervisor.pastBusUnsafe()
        )
      ),
      peers: Effect.sync(() => supervisor.liveUnsafe().find(({ report }) => report !== undefined)?.report?.peers ?? []),
      clients: supervisor.hasNats
        ? first((thread) => thread.call("room", undefined), { clients: [], silent: [], omitted: 0 })
        : Effect.map(
            askAll(supervisor, (thread) => thread.call("clients", undefined)),
            (answers): RoomClients => ({
              clients: answers.flatMap(([{ name }, exit]) =>
                Exit.isSuccess(exit) ? exit.value.map((client) => ({ ...client, relay: name })) : []
              ),
              silent: answers.flatMap(([{ name }, exit]) => (Exit.isFailure(exit) ? [name] : [])),
              omitted: 0
            })
          )
    }
  }
  return operations
})
