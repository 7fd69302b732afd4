/** The program of each of the threads of a server: a whole relay, which the main thread supervises (docs/scaling.md#all-cores-of-one-machine). */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { getHeapStatistics } from "node:v8"
import { parentPort, workerData, type MessagePort } from "node:worker_threads"
import { AdminServer } from "../admin/AdminServer.ts"
import { MAX_LISTED } from "../bus/Cluster.ts"
import * as ThreadBus from "../bus/ThreadBus.ts"
import { WakePorts } from "../bus/ThreadSignals.ts"
import type { Values } from "../config/CurrentConfig.ts"
import type { Observed } from "../internal/EventFeed.ts"
import { background } from "../internal/background.ts"
import { repeatEvery } from "../internal/time.ts"
import * as SharedLimits from "../limits/SharedLimits.ts"
import { RelayLogger } from "../logging/RelayLogger.ts"
import * as Relay from "../relay/Relay.ts"
import { Broadcaster } from "../room/Broadcaster.ts"
import { Opening } from "../session/ConnectionGate.ts"
import { Lifecycle } from "../session/Lifecycle.ts"
import { type ServerState, ServerStatus } from "../session/ServerStatus.ts"
import * as EventLoopLag from "../telemetry/EventLoopLag.ts"
import { Telemetry } from "../telemetry/Telemetry.ts"
import type { ListeningServer } from "../transport/ListeningServer.ts"
import { AcceptFailures, makeAcceptFailures, PortSharing } from "../transport/PortSharing.ts"
import * as TcpListener from "../transport/TcpListener.ts"
import { type Identity, TlsIdentity } from "../transport/tls/TlsIdentity.ts"
import * as WebSocketListener from "../transport/websocket/WebSocketListener.ts"
import { type Feeds, type FromThread, StartError, type ThreadData, type ToThread } from "./Messages.ts"
import { answer, type Handlers } from "./ThreadCalls.ts"
import { ThreadConfig } from "./ThreadConfig.ts"

/** Events of a stream that are sent together, and how long the first of them waits, in milliseconds. */
const EVENTS_TOGETHER = 256
const EVENTS_MILLIS = 50

type Listening = { readonly [key: string]: ListeningServer }

type Streams = { readonly [F in keyof Feeds]: Stream.Stream<Observed<Feeds[F]>> }

const data: ThreadData = workerData
const port = parentPort!
const beats = new Int32Array(data.beats)

const post = (message: FromThread): void => port.postMessage(message)

const wakePorts = new WakePorts()
for (const wakePort of data.wakePorts) wakePorts.add(wakePort)

const logTaken = Latch.makeUnsafe(false)
let identity = data.identity

/** The configuration of this thread: other relays know each by a name of its own. */
const ownOf = (values: Values): Values => {
  const { port, webSocketPort } = data.ports
  const { nats } = values.cluster
  const name = nats.name === null ? null : `${nats.name}-${data.incarnation}`
  return {
    ...values,
    port,
    websocket: { ...values.websocket, port: webSocketPort },
    cluster: { ...values.cluster, nats: { ...nats, name } }
  }
}

const othersUnsafe = SharedLimits.otherClientsUnsafe(data.limits, data.index)
const sharedRoom = SharedLimits.sharedRoom(data.limits, data.index)

/** Senders wait for the end of the server. */
let isQuiet = false

/** A room whose size is that of all threads: what the log counts, and what backpressure goes by. */
const wholeRoom = Layer.effect(
  Broadcaster,
  Effect.map(Broadcaster, (broadcaster) =>
    Broadcaster.of({
      ...broadcaster,
      joinUnsafe: (member) => {
        broadcaster.joinUnsafe(member)
        sharedRoom.tellUnsafe(broadcaster.sizeUnsafe())
      },
      leaveUnsafe: (member) => {
        broadcaster.leaveUnsafe(member)
        sharedRoom.tellUnsafe(broadcaster.sizeUnsafe())
      },
      sizeUnsafe: () => broadcaster.sizeUnsafe() + sharedRoom.othersUnsafe(),
      isCongestedUnsafe: () => isQuiet || broadcaster.isCongestedUnsafe(),
      uncongested: Effect.suspend(() => (isQuiet ? Effect.never : broadcaster.uncongested))
    })
  )
).pipe(Layer.provide(Broadcaster.layer))

const acceptFailures = makeAcceptFailures(data.acceptFailures, data.index + 1)
// A thread that this one replaces may have logged one.
acceptFailures.releaseUnsafe()

const draining = new Int32Array(data.draining)
let state: ServerState = "starting"

/** Drained by the main thread, for all threads at once. */
const status = ServerStatus.of({
  get state() {
    return state === "ready" && Atomics.load(draining, 0) !== 0 ? "draining" : state
  },
  set state(next) {
    state = next
  },
  address: undefined,
  listeners: []
})

/** The relay, and what it does for the main thread. */
interface Running {
  readonly relay: Relay.Relay["Service"]
  readonly handlers: Handlers
}

/** Also reports to the main thread. */
const make = Effect.gen(function* () {
  const relay = yield* Relay.Relay
  const { take } = yield* ThreadConfig
  const { droppedUnsafe } = yield* RelayLogger
  const { flushUnsafe } = yield* Broadcaster
  const lag = yield* EventLoopLag.make
  const report = Effect.map(
    Effect.all({ stats: relay.stats, bus: relay.cluster.stats, peers: relay.cluster.peers }),
    (known) => {
      const { external_memory, used_heap_size } = getHeapStatistics()
      const cpu = process.threadCpuUsage?.()
      return {
        ...known,
        lag: lag.latestUnsafe(),
        logLinesDropped: droppedUnsafe(),
        cpuSeconds: cpu === undefined ? undefined : (cpu.user + cpu.system) / 1e6,
        heapBytes: used_heap_size + external_memory
      }
    }
  )
  const tell = Effect.map(report, (report) => post({ _tag: "Reported", report }))
  yield* tell
  yield* background(
    "a relay thread no longer reports",
    repeatEvery(() => 1, tell)
  )
  const handlers: Handlers = {
    clients: () => Effect.map(relay.clients, (clients) => clients.slice(0, MAX_LISTED)),
    report: () => report,
    reload: ({ identity: next, values }) => {
      identity = next
      return Effect.provideService(take(ownOf(values)), References.CurrentLoggers, new Set())
    },
    broadcast: Effect.fnUntraced(function* ({ content, from, to }) {
      const here = to && (yield* relay.clients).map(({ address }) => address).filter((address) => to.includes(address))
      // It cannot have gone meanwhile, except while a slow reader holds up the room: then it gets nothing either way.
      yield* Effect.catchTag(relay.broadcast(content, { from, to: here }), "ClientNotFound", () => Effect.void)
      return here ?? []
    }),
    send: ({ address, notice }) => relay.send(address, notice),
    disconnect: ({ address, options }) => relay.disconnect(address, options),
    quarantined: () => relay.quarantine.list,
    quarantine: relay.quarantine.add,
    lift: relay.quarantine.lift,
    room: () => relay.cluster.clients,
    quiesce: () =>
      Effect.sync(() => {
        isQuiet = true
        flushUnsafe()
      })
  }
  return { relay, handlers } satisfies Running
})

const layer = (listening: Listening, ready: Deferred.Deferred<Running>) => {
  const bus = data.room === undefined ? Relay.layerBus : ThreadBus.layer(data.room, data.index, wakePorts)
  const lifecycle = Layer.succeed(Lifecycle, {
    listening: (address, webSocketUrl) =>
      Effect.sync(() => post({ _tag: "Listening", where: { address, webSocketUrl } })),
    stopping: () => Effect.void,
    stopped: Effect.void
  })
  const server = Relay.layerWithStatus.pipe(
    Layer.provide(
      Layer.mergeAll(
        SharedLimits.layer(data.limits, data.index),
        Relay.standard.backpressure,
        Relay.standard.idleTimeout,
        wholeRoom,
        TcpListener.layerNoDeps,
        WebSocketListener.layerNoDeps,
        AdminServer.layerDisabled,
        lifecycle,
        Layer.succeed(ServerStatus, status),
        bus
      )
    )
  )
  return Layer.effectDiscard(Effect.map(make, (made) => Deferred.doneUnsafe(ready, Exit.succeed(made)))).pipe(
    Layer.provide(server),
    Layer.provide(wholeRoom),
    Layer.provide(Layer.succeed(TlsIdentity, { currentUnsafe: (): Identity | undefined => identity })),
    Layer.provide([
      Layer.succeed(PortSharing, { othersUnsafe, listening }),
      Layer.succeed(AcceptFailures, acceptFailures),
      Layer.succeed(Opening, Latch.makeUnsafe(false))
    ]),
    Layer.provide(data.telemetry === undefined ? Layer.empty : Telemetry.layerTraces(data.telemetry)),
    Layer.provide(ThreadConfig.layer(ownOf(data.values))),
    Layer.provide(
      RelayLogger.layerWire({
        ...data.log,
        write: (lines) =>
          Effect.suspend(() => {
            logTaken.closeUnsafe()
            post({ _tag: "Log", lines })
            return logTaken.await
          })
      })
    )
  )
}

/** Sends a stream of the relay, as fast as it is taken. */
const follow = <F extends keyof Feeds>(feeds: Streams, feed: F, to: MessagePort): Effect.Effect<void> =>
  Effect.callback<void>((resume) => void to.once("close", () => resume(Effect.void))).pipe(
    Effect.raceFirst(
      feeds[feed].pipe(
        Stream.groupedWithin(EVENTS_TOGETHER, EVENTS_MILLIS),
        Stream.runForEach((events) =>
          Effect.callback<void>((resume) => {
            to.once("message", () => resume(Effect.void)).postMessage(events, [])
          })
        )
      )
    ),
    Effect.ensuring(Effect.sync(() => to.close()))
  )

const program = Effect.fnUntraced(function* (listening: Listening) {
  const ready = Deferred.makeUnsafe<Running>()
  const follows = yield* FiberSet.make<void>()
  const run = yield* FiberSet.runtime(follows)()
  const stop = Deferred.makeUnsafe<void>()
  port.on("message", (message: ToThread) => {
    switch (message._tag) {
      case "Connect":
        return wakePorts.add(message.wakePort)
      case "Open":
        return void run(Effect.flatMap(Deferred.await(ready), ({ relay }) => relay.open))
      case "LogTaken":
        return void logTaken.openUnsafe()
      case "Call":
        return void run(Effect.flatMap(Deferred.await(ready), ({ handlers }) => answer(handlers, message)))
      case "Follow":
        return void run(Effect.flatMap(Deferred.await(ready), ({ relay }) => follow(relay, message.feed, message.to)))
      case "Stop":
        return void Deferred.doneUnsafe(stop, Exit.void)
    }
  })
  const beat = setInterval(() => Atomics.add(beats, data.index, 1), 1000)
  yield* Effect.addFinalizer(() => Effect.sync(() => clearInterval(beat)))
  post({ _tag: "Loaded" })
  const serve = Layer.launch(layer(listening, ready))
  const caughtUp = data.room === undefined ? Effect.void : ThreadBus.caughtUp(data.room, data.index)
  yield* Effect.raceFirst(serve, Effect.andThen(Deferred.await(stop), caughtUp))
}, Effect.scoped)

const isStartError = Schema.is(StartError)

/**
 * Runs the relay, and ends the thread with it.
 *
 * @param listening servers that listen already, by the key that configures their port
 */
export const run = (listening: Listening): void => {
  Effect.runFork(program(listening)).addObserver((exit) => {
    if (Exit.isFailure(exit)) {
      const error = Cause.squash(exit.cause)
      if (isStartError(error)) post({ _tag: "Failed", error: Schema.encodeSync(StartError)(error) })
      else post({ _tag: "Died", detail: Cause.pretty(exit.cause) })
    }
    process.exit(Exit.isSuccess(exit) ? 0 : 1)
  })
}
