import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { AdminServer, layerReserved } from "./admin/AdminServer.ts"
import * as Cluster from "./bus/Cluster.ts"
import { type Options, profileOf, ServerConfig } from "./config/ServerConfig.ts"
import { Backpressure } from "./limits/Backpressure.ts"
import { ClientLimits } from "./limits/ClientLimits.ts"
import { IdleTimeout } from "./limits/IdleTimeout.ts"
import { Quarantine } from "./limits/Quarantine.ts"
import { RateLimiter } from "./limits/RateLimiter.ts"
import { Broadcaster } from "./room/Broadcaster.ts"
import { Bus } from "./room/Bus.ts"
import * as ConnectionGate from "./session/ConnectionGate.ts"
import { ClientRegistry } from "./session/ClientRegistry.ts"
import { Lifecycle } from "./session/Lifecycle.ts"
import { type BoundAddress, Listener } from "./session/Listener.ts"
import * as Operations from "./session/Operations.ts"
import { RefusalLog } from "./session/RefusalLog.ts"
import { ServerStatus } from "./session/ServerStatus.ts"
import { Session } from "./session/Session.ts"
import * as RelayMetrics from "./telemetry/RelayMetrics.ts"
import { Telemetry } from "./telemetry/Telemetry.ts"
import * as TcpListener from "./transport/TcpListener.ts"
import { TlsIdentity } from "./transport/tls/TlsIdentity.ts"
import * as WebSocketListener from "./transport/websocket/WebSocketListener.ts"

export {
  BusError,
  type BusState,
  type BusStats,
  type Peer,
  type RoomClient,
  type RoomClients,
  type WholeRoom
} from "./room/Bus.ts"
export type { ClientInfo, ClientState } from "./room/ClientInfo.ts"
export type { DisconnectKind as DepartureKind, DisconnectCounts as Departures } from "./room/DisconnectReason.ts"
export type { Entry } from "./limits/Quarantine.ts"
export type { Observed } from "./internal/EventFeed.ts"
export type { Distribution } from "./internal/Histogram.ts"
export type { Affected, Incident, Totals } from "./session/Incidents.ts"
export { Lifecycle } from "./session/Lifecycle.ts"
export { type BoundAddress, ListenError } from "./session/Listener.ts"
export type { Operations, ServerState } from "./session/Operations.ts"
export { ClientNotFound, MessageRejected, QuarantineRejected } from "./session/OperationErrors.ts"
export { TlsError } from "./transport/tls/TlsIdentity.ts"
export type { ClientChange, RelayedMessage, RelayEvent, Stats } from "./session/ClientRegistry.ts"

/** `version: "rust"`: all protections. */
const rustProfile = Layer.mergeAll(
  RateLimiter.layerFixedWindow,
  Backpressure.layer,
  IdleTimeout.layer,
  Quarantine.layer
)

/** `version: "python"`: no protections. */
const pythonProfile = Layer.mergeAll(
  RateLimiter.layerUnlimited,
  Backpressure.layerDisabled,
  IdleTimeout.layerDisabled,
  Quarantine.layerDisabled
)

/** Loaded only if the configuration has NATS servers. */
const bus = Layer.unwrap(
  Effect.gen(function* () {
    const { cluster } = yield* ServerConfig
    if (cluster.nats.servers === null) return Bus.layerNone
    const NatsBus = yield* Effect.promise(() => import("./bus/NatsBus.ts"))
    return NatsBus.layer
  })
)

const profile = Layer.unwrap(
  Effect.map(ServerConfig, (config) => (profileOf(config.version) === "python" ? pythonProfile : rustProfile))
)

/** Starts the server, and has it shut down when the scope ends. */
const start = Effect.gen(function* () {
  const listener = yield* Listener
  const webSocketListener = yield* WebSocketListener.WebSocketListener
  const gate = yield* ConnectionGate.ConnectionGate
  const admin = yield* AdminServer
  const operations = yield* Operations.Operations
  const session = yield* Session
  const registry = yield* ClientRegistry
  const refusals = yield* RefusalLog
  const status = yield* ServerStatus
  const lifecycle = yield* Lifecycle
  const scope = yield* Effect.scope
  const administration = yield* Scope.fork(scope)
  // In parallel: all clients get their notice at once.
  const transports = yield* Scope.fork(scope, "parallel")
  const asTransport = <A, E>(listen: Effect.Effect<A, E, Scope.Scope>) =>
    Effect.flatMap(Scope.fork(transports), (transport) => Scope.provide(listen, transport))

  const shutdown = Effect.suspend(() => {
    const clients = registry.clientsUnsafe().length
    return Effect.useSpan("shutdown", { root: true, attributes: { "summoner.clients": clients } }, () =>
      Effect.gen(function* () {
        status.state = "stopping"
        yield* lifecycle.stopping(clients)
        yield* session.beginShutdown
        // Accepts no more; every session delivers what it has accepted, sends its notice and closes.
        yield* Scope.close(transports, Exit.void)
        yield* refusals.flush
        // Last, so that operators see the server until then.
        yield* Scope.close(administration, Exit.void)
        yield* lifecycle.stopped
      })
    )
  })

  const adminAddress = yield* Scope.provide(admin.serve(operations), administration)
  // Not the parent of anything: listening forks fibers that outlive it.
  const [address, webSocketUrl] = yield* Effect.useSpan("start", { root: true }, () =>
    Effect.all([asTransport(listener.listen(gate)), asTransport(webSocketListener.listen(gate))])
  )
  status.address = address
  status.state = "ready"
  yield* Effect.addFinalizer(() => shutdown)
  yield* lifecycle.listening(address, webSocketUrl)
  return RelayServer.of({ ...operations, address, webSocketUrl, adminAddress })
})

/**
 * The parts of a server that are not services of the configuration, each above the parts that it needs. They end after `shutdown`, from
 * top to bottom: metrics are removed, the other processes get a goodbye, streams for the host program end.
 */
const relay = RelayMetrics.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(Operations.layer, ConnectionGate.layer)),
  Layer.provideMerge(Session.layer),
  Layer.provide(Cluster.layerQuarantine),
  Layer.provide(Cluster.layer),
  Layer.provideMerge(RefusalLog.layer),
  Layer.provideMerge(Layer.mergeAll(ClientRegistry.layer, ServerStatus.layer))
)

/**
 * The whole server as one Layer. It listens once the Layer is built. When its scope ends, it stops accepting, delivers what it has
 * accepted, sends every client a notice and closes (docs/operations.md).
 */
export class RelayServer extends Context.Service<
  RelayServer,
  Operations.Operations & {
    /** Where the server listens; the port is the real one where the configuration says 0. */
    readonly address: BoundAddress
    /** The URL for WebSocket clients; `undefined` if the server does not listen for them. */
    readonly webSocketUrl: string | undefined
    /** Where health, metrics and the dashboard are, if anywhere. */
    readonly adminAddress: BoundAddress | undefined
  }
>()("summoner-server/RelayServer") {
  /**
   * The server without its services: `Layer.provide` your own first, then `layerServices` for the rest. Two servers of one program
   * share the services given to both, unless they are wrapped in `Layer.fresh`. Fails with `ListenError`.
   */
  static readonly layerNoDeps = Layer.effect(
    RelayServer,
    Effect.suspend(() => start)
  ).pipe(Layer.provide(relay))

  /**
   * The services as configured: TCP and WebSocket, with or without TLS, the protections of the profile, the admin server, the log of
   * start and shutdown, and NATS.
   */
  static readonly layerServices = Layer.mergeAll(
    profile,
    ClientLimits.layer,
    Broadcaster.layer,
    Layer.provide(Layer.merge(TcpListener.layer, WebSocketListener.layer), layerReserved),
    AdminServer.layer,
    TlsIdentity.layer,
    Lifecycle.layer,
    bus
  )

  /**
   * The server of the `ServerConfig`. Exports to the collector of `otlp`, unless it is given a `Telemetry`. Fails with `ListenError`,
   * `TlsError` or `BusError`.
   */
  static readonly layerConfig = Layer.fresh(
    this.layerNoDeps.pipe(Layer.provide(this.layerServices), Layer.provide(Telemetry.layerDefault))
  )

  /**
   * A server that logs through the loggers of the host program. `RelayLogger.layerConfig` gives it the log of `server.json`.
   *
   * @param options as in a `server.json`, with its defaults
   * @returns fails with `ConfigError`, which lists everything that is wrong with the options, `ListenError`, `TlsError` or `BusError`
   */
  static readonly layer = (options: Options = {}) =>
    this.layerConfig.pipe(Layer.provide(ServerConfig.layerValue(options, "RelayServer.layer")))
}
