/** The process of a server of several workers that starts them, writes their log and serves the admin port. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { AdminServer } from "../admin/AdminServer.ts"
import { ConfigReload } from "../config/ConfigReload.ts"
import { ServerConfig } from "../config/ServerConfig.ts"
import { RelayLogger } from "../logging/RelayLogger.ts"
import { Lifecycle } from "../session/Lifecycle.ts"
import * as RelayMetrics from "../telemetry/RelayMetrics.ts"
import * as TcpListener from "../transport/TcpListener.ts"
import { TlsIdentity } from "../transport/tls/TlsIdentity.ts"
import * as WorkerMetrics from "./WorkerMetrics.ts"
import * as WorkerOperations from "./WorkerOperations.ts"
import * as Workers from "./Workers.ts"

/** How long start and shutdown wait to hear how the workers are, in milliseconds. */
const REFRESH_MILLIS = 500

/** What a primary needs to know. */
export interface Options {
  /** How many workers. */
  readonly count: number
  readonly name: string
}

/**
 * A server of several workers, which listens once the layer is built. Its `ConfigReload` reaches them all. Fails with `TlsError`,
 * and with `WorkersError` if they do not start.
 */
export const layer = (options: Options) =>
  Layer.effect(
    ConfigReload,
    Effect.gen(function* () {
      const config = yield* ServerConfig
      const reload = yield* ConfigReload
      const lifecycle = yield* Lifecycle
      const status: WorkerOperations.Status = { state: "starting" }
      yield* Effect.addFinalizer(() => (status.state === "starting" ? Effect.void : lifecycle.stopped))
      const workers = yield* Workers.make(options)
      const operations = WorkerOperations.make(workers, status, yield* DateTime.nowAsDate)
      yield* observe(workers, operations)
      const { address, webSocketUrl } = yield* workers.start
      yield* TcpListener.announceCapacity(config, config.hyper_parameters.max_clients, options.count)
      yield* Effect.timeoutOption(WorkerOperations.refresh(workers), REFRESH_MILLIS)
      status.state = "ready"
      yield* Effect.addFinalizer(() =>
        Effect.suspend(() => {
          status.state = "stopping"
          return workers.close.pipe(
            Effect.andThen(WorkerOperations.refresh(workers)),
            Effect.timeoutOption(REFRESH_MILLIS),
            Effect.andThen(operations.stats),
            Effect.flatMap(({ clients }) => lifecycle.stopping(clients))
          )
        })
      )
      yield* lifecycle.listening(address, webSocketUrl)
      return ConfigReload.of({
        apply: (next) => Effect.tap(reload.apply(next), () => Effect.sync(() => workers.reloadUnsafe(next)))
      })
    })
  ).pipe(
    Layer.provide(Layer.merge(AdminServer.layer, Lifecycle.layer)),
    // Each worker has its own. This one is for the log and the metrics of all of them.
    Layer.provide(TlsIdentity.layer)
  )

/** What operators see: of all workers, in one place. */
const observe = Effect.fnUntraced(
  function* (workers: Workers.Workers, operations: ReturnType<typeof WorkerOperations.make>) {
    const logger = yield* RelayLogger
    const droppedUnsafe = () =>
      workers
        .liveUnsafe()
        .reduce(
          (sum, { report }) => sum + (report?.logLinesDropped ?? 0),
          logger.droppedUnsafe() + workers.droppedUnsafe()
        )
    const admin = yield* AdminServer
    yield* Effect.all([
      RelayMetrics.register(operations),
      WorkerMetrics.register(workers),
      admin.serve(operations)
    ]).pipe(Effect.provideService(RelayLogger, { ...logger, droppedUnsafe }))
  },
  // A registry of its own: workers export their metrics themselves, and a collector must not count them twice.
  Effect.provideServiceEffect(
    Metric.MetricRegistry,
    Effect.sync(() => new Map())
  )
)
