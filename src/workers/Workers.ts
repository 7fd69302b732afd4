import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as ChildProcess from "node:child_process"
import { randomBytes } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ServerConfig, type Values } from "../config/ServerConfig.ts"
import { LogIntake, type WireLine } from "../logging/RelayLogger.ts"
import type { BusStats } from "../room/Bus.ts"
import type { Stats } from "../session/ClientRegistry.ts"
import { noTotals } from "../session/Incidents.ts"
import { type BoundAddress, ListenError } from "../session/Listener.ts"
import { busOf, pastBusOf, pastOf, statsOf } from "./aggregateStats.ts"
import * as Handover from "./Handover.ts"
import type { Feed, ToPrimary, Where } from "./Messages.ts"
import { WORKER } from "./threadCount.ts"
import { describeEnd, WorkerProcess } from "./WorkerProcess.ts"

/** The pause before a worker that has crashed is started again, in milliseconds; it doubles with every crash. */
const FIRST_PAUSE_MILLIS = 100
const LONGEST_PAUSE_MILLIS = 10_000

/** A worker that has run for so long has not crashed because it was started, in milliseconds. */
const STABLE_MILLIS = 10_000

/** A worker that has not reported for so many seconds in a row is stuck. */
const STUCK_SECONDS = 30

/** What a worker may take for its end beside `shutdown_grace_ms`: for the bus, and its last log lines. */
const END_MILLIS = 6000

/** The workers cannot be started. */
export class WorkersError extends Schema.TaggedError<WorkersError>()("WorkersError", {
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/** Somebody who follows a stream of all workers. */
export interface Watcher {
  readonly feed: Feed
  readonly onEvents: (events: ReadonlyArray<object>) => void
}

/** What workers are started with. */
export interface Options {
  /** How many. */
  readonly count: number
  /** Of the server. */
  readonly name: string
}

/** The worker processes of this server: started, started again when they crash, and ended with the scope. */
export const make = Effect.fnUntraced(function* ({ count, name }: Options) {
  const config = yield* ServerConfig
  const intake = yield* LogIntake
  const fork = yield* FiberSet.makeRuntime<never, void, never>()
  const refused = noTotals()
  const handover = yield* Handover.make(config.hyper_parameters, refused)
  const live = new Set<WorkerProcess>()
  /** Those that others can dial. */
  const reachable = new Set<number>()
  const watchers = new Map<number, Watcher>()
  const failed = Deferred.makeUnsafe<never, WorkersError>()
  const secret = randomBytes(16).toString("hex")
  let ids = 0
  let watches = 0
  let restarts = 0
  let past: Stats | undefined
  let pastBus: BusStats | undefined
  let dropped = 0
  let hasStarted = false
  let isStopping = false
  let isDraining = false

  const directory = yield* Effect.acquireRelease(
    Effect.try({
      try: () => mkdtempSync(join(tmpdir(), "summoner-")),
      catch: (cause) =>
        new WorkersError({
          detail: `cannot create a directory for the sockets of the workers in ${tmpdir()} (TMPDIR): ${(cause as NodeJS.ErrnoException).code}`
        })
    }),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  )

  const onMessage = (message: ToPrimary, from: WorkerProcess) => {
    switch (message._tag) {
      case "Online":
        if (isStopping) return from.send({ _tag: "Stop" })
        from.send({ _tag: "Start", id: from.id, name, values: config, directory, secret, isDraining })
        for (const [watch, { feed }] of watchers) from.send({ _tag: "Watch", watch, feed })
        return
      case "Reachable":
        reachable.add(from.id)
        return tellWhoIsThere()
      case "Listen":
        return void fork(listen(from, message.key, message.at))
      case "Report":
        for (const key of from.ports) handover.enterUnsafe(from, key)
        return
      case "Taken":
        return handover.takenUnsafe(message.number)
      case "Log":
        return takeLines(message.lines, intake)
      case "Observed":
        return watchers.get(message.watch)?.onEvents(message.events)
    }
  }

  const tellWhoIsThere = () => {
    const ids = Array.from(reachable)
    for (const worker of live) worker.send({ _tag: "Workers", ids })
  }

  const listen = (worker: WorkerProcess, key: string, at: BoundAddress) =>
    Effect.match(handover.listen(at, key), {
      onSuccess: (bound) => {
        worker.ports.push(key)
        worker.send({ _tag: "Bound", key, bound })
      },
      onFailure: (error) => worker.send({ _tag: "NotBound", key, error: Schema.encodeSync(ListenError)(error) })
    })

  const spawn = (number: number) => {
    const child = ChildProcess.fork(process.argv[1]!, [WORKER], { serialization: "advanced" })
    const worker = new WorkerProcess(++ids, number, child, onMessage)
    live.add(worker)
    return worker
  }

  /** Only the end of the process sends its clients to another one. */
  const killOnceStuck = Effect.fnUntraced(function* (worker: WorkerProcess) {
    yield* untilStuck(worker)
    // One that is ending reports no more, and has a time limit of its own.
    if (isStopping) return
    yield* Effect.logError(
      `worker ${worker.number} (process ${worker.pid}) has not been heard of for ${STUCK_SECONDS} s, and is killed`
    )
    worker.kill()
  })

  /** Runs one worker to its end. */
  const run = Effect.fnUntraced(function* (number: number) {
    const worker = spawn(number)
    const ended = Deferred.await(worker.ended)
    const end = yield* Effect.raceFirst(ended, Effect.andThen(killOnceStuck(worker), ended))
    live.delete(worker)
    handover.leaveUnsafe(worker)
    if (reachable.delete(worker.id)) tellWhoIsThere()
    if (worker.report !== undefined) {
      const left = pastOf(worker.report.stats)
      past = past === undefined ? left : statsOf([past, left], left.startedAt)
      pastBus = busOf([pastBusOf(worker.report.bus)], pastBus)
      dropped += worker.report.logLinesDropped
    }
    return { ...end, who: worker.pid === undefined ? `worker ${number}` : `worker ${number} (process ${worker.pid})` }
  })

  /** Keeps one worker running. */
  const keep = Effect.fnUntraced(function* (number: number) {
    let pause = FIRST_PAUSE_MILLIS
    while (true) {
      const startedMillis = performance.now()
      const end = yield* Effect.catchDefect(run(number), (cause) =>
        // The system has no memory, or no room for another process.
        Effect.succeed({
          code: null,
          signal: null,
          detail: `cannot be started: ${String(cause)}`,
          who: `worker ${number}`
        })
      )
      if (isStopping) return
      const why = describeEnd(end)
      if (!hasStarted) {
        const detail = end.detail ?? `worker ${number} has ended before it listened: ${why}`
        return void Deferred.doneUnsafe(failed, Exit.fail(new WorkersError({ detail })))
      }
      if (performance.now() - startedMillis >= STABLE_MILLIS) pause = FIRST_PAUSE_MILLIS
      yield* Effect.logError(
        `${end.who} has ended: ${why}; its clients have to connect again, a new one starts in ${pause} ms`
      )
      restarts++
      yield* Effect.sleep(pause)
      pause = Math.min(pause * 2, LONGEST_PAUSE_MILLIS)
    }
  })

  const end = Effect.gen(function* () {
    isStopping = true
    yield* handover.close
    for (const worker of live) worker.send({ _tag: "Stop" })
    const { shutdown_grace_ms } = config.hyper_parameters
    yield* Effect.forEach(live, ({ ended }) => Deferred.await(ended), { concurrency: "unbounded", discard: true }).pipe(
      Effect.timeoutOption(hasStarted ? shutdown_grace_ms + END_MILLIS : 0)
    )
    for (const worker of live) {
      if (worker.hasEnded) continue
      worker.kill()
      if (hasStarted)
        yield* Effect.logWarning(`worker ${worker.number} (process ${worker.pid}) did not end, and was killed`)
    }
  })

  /** Starts them all, and waits until all listen. */
  const start: Effect.Effect<Where, WorkersError, Scope.Scope> = Effect.gen(function* () {
    for (let number = 1; number <= count; number++) {
      yield* keep(number).pipe(
        Effect.tapCause((cause) => Effect.logError(`worker ${number} is no longer watched`, cause)),
        Effect.forkScoped({ startImmediately: true })
      )
    }
    yield* Effect.addFinalizer(() => end)
    const listening = Effect.forEach(live, ({ listening }) => Deferred.await(listening), { concurrency: "unbounded" })
    const [where] = yield* Effect.raceFirst(listening, Deferred.await(failed))
    hasStarted = true
    return where!
  })

  return {
    start,
    count,
    /** All that have been started and not ended. */
    liveUnsafe: (): ReadonlyArray<WorkerProcess> => Array.from(live),
    restartsUnsafe: () => restarts,
    /** What workers have done that have ended. */
    pastUnsafe: () => past,
    /** The same of their bus. */
    pastBusUnsafe: () => pastBus,
    /** Log lines that they have dropped. */
    droppedUnsafe: () => dropped,
    /** What has happened to connections that no worker got. */
    refusedUnsafe: () => refused,
    /** Nobody comes in any more. */
    close: handover.close,
    drainUnsafe: (drain: boolean) => {
      isDraining = drain
    },
    /** Gives all workers another configuration. */
    reloadUnsafe: (values: Values) => {
      for (const worker of live) worker.send({ _tag: "Reload", values })
    },
    /** Follows a stream of all workers, also of those that are started later, until the scope ends. */
    watch: (watcher: Watcher) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const watch = ++watches
          watchers.set(watch, watcher)
          for (const worker of live) worker.send({ _tag: "Watch", watch, feed: watcher.feed })
          return watch
        }),
        (watch) =>
          Effect.sync(() => {
            watchers.delete(watch)
            for (const worker of live) worker.send({ _tag: "Unwatch", watch })
          })
      )
  }
})

export type Workers = Effect.Success<ReturnType<typeof make>>

/**
 * Done when a worker that has reported does so no more. Counted in looks, not in time: where the whole server was stopped for a while, and goes
 * on, nobody was stuck.
 */
export const untilStuck = Effect.fnUntraced(function* (worker: Pick<WorkerProcess, "report">) {
  let last = worker.report
  let seconds = 0
  while (seconds < STUCK_SECONDS) {
    yield* Effect.sleep(1000)
    seconds = worker.report === undefined || worker.report !== last ? 0 : seconds + 1
    last = worker.report
  }
})

const takeLines = (lines: Uint8Array, intake: LogIntake): void => {
  for (const line of Buffer.from(lines.buffer, lines.byteOffset, lines.length).toString().split("\n")) {
    if (line === "") continue
    const wire = JSON.parse(line) as WireLine
    if (wire.length === 4) intake.relayed(wire[0], wire[1], wire[2])
    else intake.event(...wire)
  }
}
