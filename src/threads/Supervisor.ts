/** Runs the relay threads of a server: starts them, starts another in the place of one that has crashed, and ends them together. */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as ThreadBus from "../bus/ThreadBus.ts"
import { WakeMesh, type WakePort } from "../bus/ThreadSignals.ts"
import { ReloadHooks } from "../config/ReloadHooks.ts"
import { ServerConfig } from "../config/CurrentConfig.ts"
import { background } from "../internal/background.ts"
import * as SharedLimits from "../limits/SharedLimits.ts"
import { wireOf, wireReceiver } from "../logging/RelayLogger.ts"
import type { BusStats } from "../room/Bus.ts"
import type { Stats } from "../session/ClientRegistry.ts"
import { Telemetry } from "../telemetry/Telemetry.ts"
import { claim, probe } from "../transport/NetServer.ts"
import { TlsIdentity } from "../transport/tls/TlsIdentity.ts"
import { busOf, pastBusOf, pastOf, statsOf } from "./aggregateStats.ts"
import type { Ports, StartError, ThreadData, Where } from "./Messages.ts"
import { type End, Thread, ThreadEntry } from "./Thread.ts"
import { Machine } from "./threadCount.ts"

/** The pause before a thread that has crashed is started again, in milliseconds; it doubles with every crash. */
const FIRST_PAUSE_MILLIS = 100
const LONGEST_PAUSE_MILLIS = 10_000

/** A thread that has run for so long has not crashed because it was started, in milliseconds. */
const STABLE_MILLIS = 10_000

/** A thread that does not turn its event loop for so many seconds in a row is stuck. Tests may have less patience. */
export const StuckSeconds = Context.Reference<number>("summoner-server/StuckSeconds", { defaultValue: () => 30 })

/** What a thread may take for its end beside `shutdown_grace_ms`: for the bus, and its last log lines. */
const END_MILLIS = 6000

/** How a thread has ended, and when it had begun. */
interface Run extends End {
  readonly sinceMillis: number
}

/** The threads of a server. */
export interface Supervisor {
  readonly count: number
  /** Starts them all, and waits until all listen. They serve from `open` on. */
  readonly start: Effect.Effect<Where, StartError, Scope.Scope>
  /** Has them receive connections. */
  readonly open: Effect.Effect<void>
  readonly stop: Effect.Effect<void>
  /** Done once no thread is left, and all that they have said is known. */
  readonly stopped: Effect.Effect<void>
  /** The threads that listen. */
  readonly listeningUnsafe: () => ReadonlyArray<Thread>
  /** All that run. */
  readonly liveUnsafe: () => ReadonlyArray<Thread>
  /** Clients of all threads. */
  readonly clientsUnsafe: () => number
  readonly restartsUnsafe: () => number
  /** What threads have done that have ended: nothing, or all of it as one. */
  readonly pastUnsafe: () => ReadonlyArray<Stats>
  /** The same of their bus. */
  readonly pastBusUnsafe: () => BusStats | undefined
  /** Log lines that threads have dropped. */
  readonly logLinesDroppedUnsafe: () => number
  /** Has all threads refuse new clients, or take them again: from now on, also those that are started later. */
  readonly setDrainingUnsafe: (isDraining: boolean) => void
  /** Whether each has a connection to NATS, by which they are one room. */
  readonly hasNats: boolean
  /** Calls `begin` with all threads, also with those that are started later, until the scope ends. */
  readonly follow: (begin: (thread: Thread) => void) => Effect.Effect<void, never, Scope.Scope>
}

/**
 * The threads of a server, until the scope ends.
 *
 * @param count how many, 2 or more
 */
export const make = Effect.fnUntraced(function* (
  count: number
): Effect.fn.Return<Supervisor, never, ServerConfig | TlsIdentity | Scope.Scope> {
  const config = yield* ServerConfig
  const tls = yield* TlsIdentity
  const entry = yield* ThreadEntry
  const stuckSeconds = yield* StuckSeconds
  // All threads together have what one would have alone.
  const heapMebibytes = Math.floor((yield* Machine).heapMebibytes / count)
  const log = yield* wireOf
  const telemetry = Option.map(yield* Effect.serviceOption(Telemetry), ({ options }) => options)
  const onLog = yield* wireReceiver
  const { onReload } = yield* ReloadHooks
  const limits = SharedLimits.share(count)
  const room =
    config.cluster.nats.servers === null ? ThreadBus.share(count, config.hyper_parameters.max_line_bytes) : undefined
  const mesh = new WakeMesh()
  const beats = new Int32Array(new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT))
  const draining = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  const acceptFailures = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)
  const live = new Map<number, Thread>()
  const followers = new Set<(thread: Thread) => void>()
  const opened = Deferred.makeUnsafe<void>()
  const stopped = Deferred.makeUnsafe<void>()
  const failed = Deferred.makeUnsafe<never, StartError>()
  let incarnations = 0
  let restarts = 0
  let reloads = 0
  let past: ReadonlyArray<Stats> = []
  let pastBus: BusStats | undefined
  let dropped = 0
  let hasStarted = false
  let isStopping = false

  const spawn = (index: number, ports: Ports) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const connectTo = (wakePort: WakePort) => live.get(index)?.post({ _tag: "Connect", wakePort }, [wakePort[1]])
        const data: ThreadData = {
          index,
          incarnation: ++incarnations,
          telemetry: Option.getOrUndefined(telemetry),
          values: structuredClone(config),
          ports,
          identity: tls.currentUnsafe(),
          limits,
          room,
          wakePorts: room === undefined ? [] : mesh.connect(index, connectTo),
          beats: beats.buffer,
          draining: draining.buffer,
          acceptFailures,
          log
        }
        const thread = new Thread(entry, data, heapMebibytes, onLog)
        live.set(index, thread)
        for (const begin of followers) begin(thread)
        return thread
      }),
      (thread) => Effect.sync(() => thread.terminate())
    )

  /** Tells a thread what it has to know from its start on. */
  const conduct = Effect.fnUntraced(function* (thread: Thread) {
    const before = reloads
    yield* Deferred.await(thread.listening)
    yield* Deferred.await(opened)
    if (reloads > before) yield* thread.call("reload", { values: config, identity: tls.currentUnsafe() })
    thread.post({ _tag: "Open" })
  })

  const terminateOnceStuck = Effect.fnUntraced(function* (thread: Thread) {
    yield* Deferred.await(thread.loaded)
    yield* untilStuck(() => Atomics.load(beats, thread.index), stuckSeconds)
    // One that is ending has a time limit of its own.
    if (isStopping) return
    yield* Effect.logError(`${thread.name} has not been heard of for ${stuckSeconds} s, and is terminated`)
    thread.terminate("it was stuck")
  })

  /** Runs a thread to its end. */
  const runThread = Effect.fnUntraced(function* (index: number, ports: Ports) {
    const thread = yield* spawn(index, ports)
    const ended = Deferred.await(thread.ended)
    const end = yield* Effect.raceAllFirst([
      ended,
      Effect.andThen(conduct(thread), Effect.never),
      Effect.andThen(terminateOnceStuck(thread), Effect.never)
    ])
    live.delete(index)
    const { report } = thread
    if (report !== undefined) {
      const left = pastOf(report.stats)
      past = [statsOf([...past, left], left.startedAt)]
      pastBus = busOf([pastBusOf(report.bus)], pastBus)
      dropped += report.logLinesDropped
    }
    return end
  }, Effect.scoped)

  const run = (index: number, ports: Ports): Effect.Effect<Run> =>
    Effect.suspend(() => {
      const sinceMillis = performance.now()
      return runThread(index, ports).pipe(
        // The system has no memory, or no room for another thread.
        Effect.catchDefect((defect) => Effect.succeed<End>({ why: String(defect), error: undefined })),
        Effect.tap(() => {
          if (room !== undefined) ThreadBus.detach(room, index, mesh)
          return SharedLimits.releaseThread(limits, index)
        }),
        Effect.map((end) => ({ ...end, sinceMillis }))
      )
    })

  /** Runs a thread, and another whenever it has crashed, until the server stops or cannot start. */
  const keep = (index: number, ports: Ports): Effect.Effect<void> => {
    let pauseMillis = 0
    const pauses = Schedule.forever.pipe(
      Schedule.setInputType<Run>(),
      Schedule.while(() => Effect.sync(() => hasStarted && !isStopping)),
      Schedule.addDelay(({ input: { sinceMillis } }) => {
        const isStable = performance.now() - sinceMillis >= STABLE_MILLIS
        pauseMillis =
          isStable || pauseMillis === 0 ? FIRST_PAUSE_MILLIS : Math.min(pauseMillis * 2, LONGEST_PAUSE_MILLIS)
        return Effect.succeed(pauseMillis)
      }),
      Schedule.tap(({ input: { why } }) => {
        restarts++
        return Effect.logError(
          `worker ${index + 1} has ended: ${why}; its clients have to connect again, a new one starts in ${pauseMillis} ms`
        )
      })
    )
    return run(index, ports).pipe(
      Effect.tap(({ error, why }) => {
        if (hasStarted) return Effect.void
        const reason = `worker ${index + 1} has ended before it listened: ${why}`
        return Deferred.done(failed, error === undefined ? Exit.die(new Error(reason)) : Exit.fail(error))
      }),
      Effect.repeat(pauses),
      Effect.asVoid
    )
  }

  const stop = Effect.gen(function* () {
    isStopping = true
    // First all have said their last line, so that each can bring its clients the same.
    yield* atOnce(listeningThreads(), (thread) => Effect.exit(thread.call("quiesce", undefined)))
    const threads = Array.from(live.values())
    for (const thread of threads) thread.post({ _tag: "Stop" })
    yield* atOnce(threads, ({ ended }) => Deferred.await(ended)).pipe(
      Effect.timeoutOption(config.hyper_parameters.shutdown_grace_ms + END_MILLIS)
    )
    for (const { ended, name } of threads) {
      if (!Deferred.isDoneUnsafe(ended)) yield* Effect.logWarning(`${name} did not end, and is terminated`)
    }
    // What came last is with those who follow.
    yield* Effect.yieldNow
    Deferred.doneUnsafe(stopped, Exit.void)
  })

  const start = Effect.gen(function* () {
    const threads = yield* Effect.scope
    const listening = Effect.gen(function* () {
      yield* claimPorts(config)
      const ports = yield* findPorts(config)
      for (let index = 0; index < count; index++) {
        const watch = background(`worker ${index + 1} is no longer watched`, keep(index, ports), {
          startImmediately: true
        })
        yield* Scope.provide(watch, threads)
      }
      return yield* atOnce(Array.from(live.values()), ({ listening }) => Deferred.await(listening))
    }).pipe(Effect.scoped)
    const [where] = yield* Effect.raceFirst(listening, Deferred.await(failed))
    hasStarted = true
    yield* onReload(
      Effect.suspend(() => {
        reloads++
        const next = { values: config, identity: tls.currentUnsafe() }
        return Effect.asVoid(atOnce(listeningThreads(), (thread) => Effect.exit(thread.call("reload", next))))
      })
    )
    return where!
  })

  const listeningThreads = () => Array.from(live.values()).filter(({ isListening }) => isListening)

  return {
    count,
    start,
    open: Effect.sync(() => Deferred.doneUnsafe(opened, Exit.void)),
    stop,
    stopped: Deferred.await(stopped),
    listeningUnsafe: listeningThreads,
    liveUnsafe: () => Array.from(live.values()),
    clientsUnsafe: SharedLimits.roomSizeUnsafe(limits),
    restartsUnsafe: () => restarts,
    pastUnsafe: () => past,
    pastBusUnsafe: () => pastBus,
    logLinesDroppedUnsafe: () =>
      Array.from(live.values()).reduce((sum, { report }) => sum + (report?.logLinesDropped ?? 0), dropped),
    setDrainingUnsafe: (isDraining) => void Atomics.store(draining, 0, isDraining ? 1 : 0),
    hasNats: room === undefined,
    follow: (begin) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          followers.add(begin)
          live.forEach(begin)
        }),
        () => Effect.sync(() => followers.delete(begin))
      )
  }
})

const atOnce = <A, E>(threads: ReadonlyArray<Thread>, effect: (thread: Thread) => Effect.Effect<A, E>) =>
  Effect.forEach(threads, effect, { concurrency: "unbounded" })

/** Of two servers that start at once, one has the ports. */
const claimPorts = Effect.fnUntraced(function* ({ host, port, websocket }: ServerConfig["Service"]) {
  yield* claim({ host, port }, "port")
  if (websocket.port !== null) yield* claim({ host: websocket.host ?? host, port: websocket.port }, "websocket.port")
})

/** Ports that no other server has; where the configuration leaves the choice, free ones, which it keeps until the scope ends. */
const findPorts = Effect.fnUntraced(function* ({ host, port, websocket }: ServerConfig["Service"]) {
  const relay = yield* probe({ host, port }, "port")
  if (websocket.port === null) return { port: relay.port, webSocketPort: null }
  const ofWebSocket = yield* probe({ host: websocket.host ?? host, port: websocket.port }, "websocket.port")
  return { port: relay.port, webSocketPort: ofWebSocket.port }
})

/**
 * Done when a count does not go on. Counts polls, not elapsed time, so that a process that was suspended does not look stuck.
 *
 * @param beat goes on every second
 * @param limit how many seconds in a row it may stay the same
 */
export const untilStuck = Effect.fnUntraced(function* (beat: () => number, limit: number) {
  let last = beat()
  let seconds = 0
  while (seconds < limit) {
    yield* Effect.sleep("1 second")
    const now = beat()
    seconds = now === last ? seconds + 1 : 0
    last = now
  }
})
