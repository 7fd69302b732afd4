/** A server of several threads: what `RelayServer` is where `worker_threads` is above 1. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { AdminServer, layerReserved } from "../admin/AdminServer.ts"
import { ServerConfig } from "../config/CurrentConfig.ts"
import { RelayLogger } from "../logging/RelayLogger.ts"
import { Relay } from "../relay/Relay.ts"
import { Lifecycle } from "../session/Lifecycle.ts"
import type { Operations } from "../session/Operations.ts"
import { listenersOf, ServerStatus } from "../session/ServerStatus.ts"
import * as RelayMetrics from "../telemetry/RelayMetrics.ts"
import * as TcpListener from "../transport/TcpListener.ts"
import { TlsIdentity } from "../transport/tls/TlsIdentity.ts"
import * as Supervisor from "./Supervisor.ts"
import * as ThreadMetrics from "./ThreadMetrics.ts"
import * as ThreadOperations from "./ThreadOperations.ts"

/**
 * Listens once it is built. Fails with `ListenError`, `TlsError` and `BusError`.
 *
 * @param count of threads, 2 or more
 * @param startsClosed whether clients wait for `open`
 */
export const layer = (count: number, startsClosed = false) =>
  Layer.effect(
    Relay,
    Effect.gen(function* () {
      const config = yield* ServerConfig
      const lifecycle = yield* Lifecycle
      const status = yield* ServerStatus
      const supervisor = yield* Supervisor.make(count)
      const operations = yield* ThreadOperations.make(supervisor)
      // Threads load their code while this one loads that of the admin server.
      const starting = yield* Effect.forkScoped(supervisor.start, { startImmediately: true })
      const adminAddress = yield* observe(supervisor, operations, status)
      const { address, webSocketUrl } = yield* Fiber.join(starting)
      yield* TcpListener.announceCapacity(config, config.hyper_parameters.max_clients)
      status.address = address
      status.listeners = listenersOf(address, webSocketUrl, config.tls.cert !== null)
      yield* Effect.addFinalizer(() =>
        Effect.gen(function* () {
          status.state = "stopping"
          yield* lifecycle.stopping(supervisor.clientsUnsafe())
          yield* supervisor.stop
          yield* lifecycle.stopped
        })
      )
      yield* lifecycle.listening(address, webSocketUrl, [])
      const open = Effect.andThen(
        supervisor.open,
        Effect.sync(() => {
          if (status.state === "starting") status.state = "ready"
        })
      )
      if (!startsClosed) yield* open
      return Relay.of({ ...operations, address, webSocketUrl, adminAddress, open })
    })
  ).pipe(Layer.provide([AdminServer.layer, TlsIdentity.layer, Lifecycle.layer, ServerStatus.layer, layerReserved]))

/** What operators see: of all threads, in one place. */
const observe = Effect.fnUntraced(function* (
  supervisor: Supervisor.Supervisor,
  operations: Operations,
  status: ServerStatus["Service"]
) {
  const admin = yield* AdminServer
  const logger = yield* Effect.serviceOption(RelayLogger)
  const serve = Effect.gen(function* () {
    yield* RelayMetrics.register(operations)
    yield* ThreadMetrics.register(supervisor)
    return yield* admin.serve(operations, status)
  })
  if (Option.isNone(logger)) return yield* serve
  const { droppedUnsafe } = logger.value
  return yield* Effect.provideService(serve, RelayLogger, {
    ...logger.value,
    droppedUnsafe: () => droppedUnsafe() + supervisor.logLinesDroppedUnsafe()
  })
})
