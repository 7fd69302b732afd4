import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"
import { AdminServer } from "./admin/AdminServer.ts"
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
import { Lifecycle } from "./session/Lifecycle.ts"
import { type BoundAddress, Listener } from "./session/Listener.ts"
import * as Operations from "./session/Operations.ts"
import * as Session from "./session/Session.ts"
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
export type { Incident, Totals } from "./session/Incidents.ts"
export { type BoundAddress, ListenError } from "./session/Listener.ts"
export type { Operations, ServerState } from "./session/Operations.ts"
export { ClientNotFound, MessageRejected, QuarantineRejected } from "./session/OperationErrors.ts"
export { TlsError } from "./transport/tls/TlsIdentity.ts"
export type { ClientChange, RelayedMessage, RelayEvent, Stats } from "./session/ClientRegistry.ts"

/** Everything on: what `version: "rust"` stands for. */
const rustProfile = Layer.mergeAll(
  RateLimiter.layerFixedWindow,
  Backpressure.layer,
  IdleTimeout.layer,
  Quarantine.layer
)

/** The plain relay: what `version: "python"` stands for. */
const pythonProfile = Layer.mergeAll(
  RateLimiter.layerUnlimited,
  Backpressure.layerDisabled,
  IdleTimeout.layerDisabled,
  Quarantine.layerDisabled
)

/** What carries the room to other processes, loaded only where there are some. */
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

/**
 * The whole server as one Layer. It listens once the Layer is built; when its scope ends it stops accepting, delivers what
 * it has accepted, tells every client and closes (docs/operations.md).
 */
export class RelayServer extends Context.Service<
  RelayServer,
  Operations.Operations & {
    /** Where the server listens; the port is the real one where the configuration says 0. */
    readonly address: BoundAddress
    /** What WebSocket clients connect to; `undefined` if the server does not listen for them. */
    readonly webSocketUrl: string | undefined
    /** Where it serves health, metrics and the dashboard, if anywhere. */
    readonly adminAddress: BoundAddress | undefined
  }
>()("summoner-server/RelayServer") {
  /**
   * The server over services that you provide: `Layer.provide` the ones of your own first, then `layerServices` for the rest.
   * Services given to two servers of one program need `Layer.fresh`, or the servers share them. Fails with `ListenError`.
   */
  static readonly layerNoDeps = Layer.effect(
    RelayServer,
    Effect.gen(function* () {
      const listener = yield* Listener
      const webSocketListener = yield* WebSocketListener.WebSocketListener
      const listenAll = Effect.fnUntraced(function* (gate: ConnectionGate.ConnectionGate) {
        // Each transport has a scope of its own, side by side: all clients are told of the end at once.
        const transports = yield* Scope.fork(yield* Effect.scope, "parallel")
        const address = yield* Scope.provide(listener.listen(gate), yield* Scope.fork(transports))
        if (webSocketListener === undefined) return [address, undefined] as const
        return [address, yield* Scope.provide(webSocketListener.listen(gate), yield* Scope.fork(transports))] as const
      })
      const admin = yield* AdminServer
      const lifecycle = yield* Lifecycle
      const bus = yield* Bus
      yield* (yield* Broadcaster).connect(bus)
      const cluster = yield* Cluster.make(bus, yield* Quarantine)
      const withQuarantine = Effect.provideService(Quarantine, cluster.quarantine)
      const session = yield* withQuarantine(Session.make)
      cluster.listsUnsafe(() => session.registry.clients)
      const clock = yield* Clock.Clock
      const status: Operations.Status = { state: "starting", address: undefined }
      const operations = yield* withQuarantine(
        Operations.make(session, status, {
          stats: Effect.sync(bus.statsUnsafe),
          peers: Effect.sync(cluster.peersUnsafe),
          clients: cluster.clients
        })
      )
      yield* RelayMetrics.register(operations)
      let shutdown: Tracer.Span | undefined
      yield* Effect.addFinalizer(() =>
        Effect.suspend(() => {
          if (status.address === undefined) return Effect.void
          shutdown?.end(clock.currentTimeNanosUnsafe(), Exit.void)
          return lifecycle.stopped
        })
      )
      const adminAddress = yield* admin.serve(operations)
      const gate = yield* withQuarantine(
        ConnectionGate.make(session.run, session.registry.totals, () => status.state === "draining")
      )
      // Nothing runs within this span: what listening forks outlives it.
      const [address, webSocketUrl] = yield* Effect.useSpan("start", { root: true }, () => listenAll(gate))
      status.address = address
      status.state = "ready"
      yield* Effect.addFinalizer(
        Effect.fnUntraced(function* () {
          status.state = "stopping"
          const clients = session.registry.clients.length
          shutdown = yield* Effect.makeSpan("shutdown", { root: true, attributes: { "summoner.clients": clients } })
          yield* lifecycle.stopping(clients)
          yield* session.beginShutdown
        })
      )
      yield* lifecycle.listening(address, webSocketUrl)
      return RelayServer.of({ ...operations, address, webSocketUrl, adminAddress })
    })
  )

  /**
   * The services that the configuration asks for: TCP and WebSocket, with TLS or without, the protections of the profile, what operators see, and
   * NATS where there are other processes.
   */
  static readonly layerServices = Layer.mergeAll(
    profile,
    ClientLimits.layer,
    Broadcaster.layer,
    TcpListener.layer,
    WebSocketListener.layer,
    AdminServer.layer,
    TlsIdentity.layer,
    bus
  )

  /**
   * The server that the `ServerConfig` describes. Exports what `otlp` says, unless it is given a `Telemetry`. Fails with
   * `ListenError`, `TlsError` or `BusError`.
   */
  static readonly layerConfig = Layer.fresh(
    this.layerNoDeps.pipe(Layer.provide(this.layerServices), Layer.provide(Telemetry.layerDefault))
  )

  /**
   * A server. It logs through the loggers of the host program; `RelayLogger.layerConfig` is for a log in the forms of
   * `server.json`.
   *
   * @param options in the form of a `server.json`; what is left out has its default there
   * @returns fails with `ConfigError`, which says everything that is wrong with the options, `ListenError`, `TlsError` or `BusError`
   */
  static readonly layer = (options: Options = {}) =>
    this.layerConfig.pipe(Layer.provide(ServerConfig.layerValue(options, "RelayServer.layer")))
}
