/** One of several relay processes of a server: what `serve` runs behind the port that they share. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberMap from "effect/FiberMap"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { rmSync } from "node:fs"
import type { Socket } from "node:net"
import { setDefaultHighWaterMark } from "node:stream"
import { AdminServer } from "../admin/AdminServer.ts"
import { MAX_LISTED } from "../bus/Cluster.ts"
import { ConfigReload } from "../config/ConfigReload.ts"
import type { Values } from "../config/ServerConfig.ts"
import { repeatEvery } from "../internal/repeatEvery.ts"
import { RelayLogger } from "../logging/RelayLogger.ts"
import { RelayServer } from "../RelayServer.ts"
import { Bus } from "../room/Bus.ts"
import { Lifecycle } from "../session/Lifecycle.ts"
import type { Operations } from "../session/Operations.ts"
import { Supervised } from "../session/Supervised.ts"
import * as EventLoopLag from "../telemetry/EventLoopLag.ts"
import { Telemetry } from "../telemetry/Telemetry.ts"
import { HIGH_WATER_MARK } from "../transport/NetServer.ts"
import { SharedPort } from "../transport/SharedPort.ts"
import { HandedPorts } from "./HandedPorts.ts"
import { Mesh } from "./Mesh.ts"
import { type Answer, type Calls, Rejection, type Start, type ToPrimary, type ToWorker } from "./Messages.ts"
import { Roll } from "./Roll.ts"
import * as SharedPlaces from "./SharedPlaces.ts"
import * as WorkerBus from "./WorkerBus.ts"

/** Events of a stream that are sent together, and how long the first of them waits. */
const EVENTS_TOGETHER = 256
const EVENTS_MILLIS = 50

/** Runs until the primary says so, or is gone. */
export const run = (): void => {
  // Signals of a terminal or of a service manager reach the whole group: the primary decides what they mean.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {})
  // As `SERVER_OPTIONS` have it, for sockets that another process has accepted.
  setDefaultHighWaterMark(false, HIGH_WATER_MARK)

  // As long as what the primary asks at once, which waits for each answer.
  const inbox = Effect.runSync(Queue.unbounded<ToWorker>())
  const others = new Roll()
  const ports = new HandedPorts(send)
  let main: Fiber.Fiber<unknown, unknown> | undefined
  let directory = ""
  let isStopping = false
  const stop = () => {
    if (isStopping) return
    isStopping = true
    if (main === undefined) process.exit(0)
    main.interruptUnsafe()
  }
  process.on("disconnect", () => {
    // The second signal: nobody wants to wait for what was begun.
    if (isStopping) process.exit(1)
    // The primary cannot any more.
    rmSync(directory, { recursive: true, force: true })
    stop()
  })
  process.on("message", (message: ToWorker, socket?: Socket) => {
    switch (message._tag) {
      case "Start":
        directory = message.directory
        main = Effect.runFork(Layer.launch(layer(message, { inbox, others, ports })))
        main.addObserver(end)
        return
      case "Workers":
        return others.call(message.ids)
      case "Bound":
      case "NotBound":
      case "Connection":
        return ports.take(message, socket)
      case "Stop":
        return stop()
      default:
        Queue.offerUnsafe(inbox, message)
    }
  })
  send({ _tag: "Online" })
}

const send = (message: ToPrimary, onSent?: (error: Error | null) => void): void => {
  if (process.connected) process.send!(message, undefined, undefined, onSent ?? (() => {}))
  else onSent?.(new Error("the primary is gone"))
}

/** Everything that was sent before arrives. */
const end = (exit: Exit.Exit<unknown, unknown>): void => {
  const isFailure = Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)
  const leave = () => process.exit(isFailure ? 1 : 0)
  if (!isFailure || !process.connected) return leave()
  const reason = Cause.squash(exit.cause)
  const isKnown = Cause.hasFails(exit.cause) && reason instanceof Error
  send({ _tag: "Failed", detail: isKnown ? reason.message : Cause.pretty(exit.cause) }, leave)
}

/** What comes from the primary. */
interface Incoming {
  readonly inbox: Queue.Dequeue<ToWorker>
  readonly others: Roll
  readonly ports: HandedPorts
}

const layer = (start: Start, { inbox, others, ports }: Incoming) => {
  const { directory, id, isDraining, name, secret } = start
  const values = named(start.values, id)
  let isMuted = false

  const mesh = Mesh.layer({
    id,
    directory,
    secret,
    limits: { ...values.hyper_parameters.slow_consumer, max_line_bytes: values.hyper_parameters.max_line_bytes },
    announce: Effect.sync(() => send({ _tag: "Reachable" })),
    others
  })
  const { enable_console_log, enable_file_log, log_level } = values.logger
  const wire = RelayLogger.layerWire({
    log_level,
    isMutedUnsafe: () => isMuted,
    write: (lines) =>
      Effect.callback<void, Error>((resume) =>
        send({ _tag: "Log", lines }, (error) => resume(error === null ? Effect.void : Effect.fail(error)))
      )
  })
  // What nobody writes is not made into lines, either.
  const logger = enable_console_log || enable_file_log ? wire : RelayLogger.layerSilent
  const lifecycle = Layer.succeed(Lifecycle, {
    listening: (address, webSocketUrl) =>
      Effect.sync(() => send({ _tag: "Listening", where: { address, webSocketUrl } })),
    stopping: () => Effect.void,
    stopped: Effect.void
  })
  // Where NATS connects the processes of the room, it connects those of one machine as well.
  const bus: Layer.Layer<never, never, Mesh> =
    values.cluster.nats.servers === null ? (WorkerBus.layer satisfies Layer.Layer<Bus, never, Mesh>) : Layer.empty
  const server = RelayServer.layerNoDeps.pipe(
    Layer.provide(Layer.mergeAll(AdminServer.layerDisabled, SharedPlaces.layer, bus, lifecycle)),
    Layer.provide(RelayServer.layerServices)
  )

  const obey = Effect.gen(function* () {
    const relay = yield* RelayServer
    const { apply } = yield* ConfigReload
    const { droppedUnsafe } = yield* RelayLogger
    const lag = yield* EventLoopLag.make
    const watches = yield* FiberMap.make<number, void>()
    /** What the primary logs for all workers. */
    const quietly = <A, E>(effect: Effect.Effect<A, E>) =>
      Effect.andThen(
        Effect.sync(() => {
          isMuted = true
        }),
        effect
      ).pipe(
        Effect.ensuring(
          Effect.sync(() => {
            isMuted = false
          })
        )
      )
    const report = Effect.map(
      Effect.all({ state: relay.state, stats: relay.stats, bus: relay.cluster.stats, peers: relay.cluster.peers }),
      (known) => {
        const { system, user } = process.cpuUsage()
        send({
          _tag: "Report",
          ...known,
          lag: lag.latestUnsafe(),
          logLinesDropped: droppedUnsafe(),
          cpuSeconds: (user + system) / 1e6,
          residentBytes: process.memoryUsage.rss()
        })
      }
    )

    const calls = callsOf(relay, report, quietly)
    const answer = (request: number, call: keyof Calls, args: ReadonlyArray<unknown>) =>
      Effect.map(
        Effect.exit((calls[call] as (...args: ReadonlyArray<unknown>) => Effect.Effect<unknown, unknown>)(...args)),
        (exit) => send({ _tag: "Answer", request, answer: answerOf(exit) })
      )

    const watch = (watch: number, feed: "changes" | "messages" | "events") =>
      (relay[feed] as Stream.Stream<object>).pipe(
        Stream.groupedWithin(EVENTS_TOGETHER, EVENTS_MILLIS),
        Stream.runForEach((events) =>
          Effect.callback<void>((resume) => send({ _tag: "Observed", watch, events }, () => resume(Effect.void)))
        )
      )

    const handle = (message: ToWorker): Effect.Effect<unknown> => {
      switch (message._tag) {
        case "Reload":
          return Effect.provideService(apply(named(message.values, id)), References.CurrentLoggers, new Set())
        case "Ask":
          return Effect.forkDetach(answer(message.request, message.call, message.args))
        case "Watch":
          return FiberMap.run(watches, message.watch, watch(message.watch, message.feed))
        case "Unwatch":
          return FiberMap.remove(watches, message.watch)
        default:
          return Effect.void
      }
    }

    if (isDraining) yield* quietly(relay.drain)
    yield* report
    for (const task of [repeatEvery(() => 1, report), Effect.forever(Effect.flatMap(Queue.take(inbox), handle))]) {
      yield* task.pipe(
        Effect.tapCause((cause) => Effect.logError("a worker does not do any more what it is told", cause)),
        Effect.forkScoped
      )
    }
  })

  return Layer.effectDiscard(obey).pipe(
    Layer.provide(server),
    Layer.provide(Layer.merge(mesh, Layer.succeed(SharedPort, ports.service))),
    Layer.provide(Telemetry.layer({ name, endpoint: values.otlp.endpoint })),
    Layer.provide(ConfigReload.layer(values)),
    Layer.provide(Layer.merge(logger, Layer.succeed(Supervised, true)))
  )
}

/** What other relays call this one, by NATS: each has its own name. */
const named = (values: Values, id: number): Values => {
  const { nats } = values.cluster
  if (nats.name === null) return values
  return { ...values, cluster: { ...values.cluster, nats: { ...nats, name: `${nats.name}-${id}` } } }
}

const callsOf = (
  relay: Operations,
  report: Effect.Effect<void>,
  quietly: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
): Calls => ({
  clients: () => Effect.map(relay.clients, (clients) => clients.slice(0, MAX_LISTED)),
  report: () => report,
  drain: () => quietly(relay.drain),
  undrain: () => quietly(relay.undrain),
  broadcast: (content, from) => relay.broadcast(content, { from }),
  send: relay.send,
  disconnect: relay.disconnect,
  quarantined: () => relay.quarantine.list,
  quarantine: relay.quarantine.add,
  lift: relay.quarantine.lift,
  room: () => relay.cluster.clients
})

const isRejection = Schema.is(Rejection)

const answerOf = (exit: Exit.Exit<unknown, unknown>): Answer => {
  if (Exit.isSuccess(exit)) return { _tag: "Success", value: exit.value }
  const error = Cause.squash(exit.cause)
  return isRejection(error)
    ? { _tag: "Failure", rejection: Schema.encodeSync(Rejection)(error) }
    : { _tag: "Defect", message: Cause.pretty(exit.cause) }
}
