/** One relay: the services that a server of one thread consists of, and of which each thread of a larger one has its own. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { AdminServer, layerReserved } from "../admin/AdminServer.ts"
import * as Cluster from "../bus/Cluster.ts"
import { profileOf, ServerConfig } from "../config/CurrentConfig.ts"
import { Backpressure } from "../limits/Backpressure.ts"
import { ClientLimits } from "../limits/ClientLimits.ts"
import { IdleTimeout } from "../limits/IdleTimeout.ts"
import { Quarantine } from "../limits/Quarantine.ts"
import { RateLimiter } from "../limits/RateLimiter.ts"
import { Broadcaster } from "../room/Broadcaster.ts"
import { Bus, type BusError } from "../room/Bus.ts"
import * as ConnectionGate from "../session/ConnectionGate.ts"
import { ClientRegistry } from "../session/ClientRegistry.ts"
import { Lifecycle } from "../session/Lifecycle.ts"
import { type BoundAddress, Listener } from "../session/Listener.ts"
import * as Operations from "../session/Operations.ts"
import { RefusalLog } from "../session/RefusalLog.ts"
import { listenersOf, ServerStatus } from "../session/ServerStatus.ts"
import { Session } from "../session/Session.ts"
import * as RelayMetrics from "../telemetry/RelayMetrics.ts"
import * as TcpListener from "../transport/TcpListener.ts"
import * as WebSocketListener from "../transport/websocket/WebSocketListener.ts"

/** `version`: the profile with everything on, or that of the plain relay. */
const byProfile = <A, R>(rust: Layer.Layer<A, never, R>, python: Layer.Layer<A, never, R>) =>
  Layer.unwrap(Effect.map(ServerConfig, (config) => (profileOf(config.version) === "python" ? python : rust)))

/** Loaded only if the configuration has NATS servers. */
export const layerBus: Layer.Layer<Bus, BusError, ServerConfig> = Layer.unwrap(
  Effect.gen(function* () {
    const { cluster } = yield* ServerConfig
    if (cluster.nats.servers === null) return Bus.layerNone
    const NatsBus = yield* Effect.promise(() => import("../bus/NatsBus.ts"))
    return NatsBus.layer
  })
)

/** The parts that a program may replace, as the configuration has them. */
export const standard = {
  adminServer: AdminServer.layer,
  backpressure: byProfile(Backpressure.layer, Backpressure.layerDisabled),
  broadcaster: Broadcaster.layer,
  bus: layerBus,
  clientLimits: ClientLimits.layer,
  idleTimeout: byProfile(IdleTimeout.layer, IdleTimeout.layerDisabled),
  lifecycle: Lifecycle.layer,
  listener: TcpListener.layer,
  quarantine: byProfile(Quarantine.layer, Quarantine.layerDisabled),
  rateLimiter: byProfile(RateLimiter.layerFixedWindow, RateLimiter.layerUnlimited),
  webSocketListener: WebSocketListener.layer
} as const

/** Names of the parts that the program gives, for the log. */
export const GivenParts = Context.Reference<ReadonlyArray<string>>("summoner-server/GivenParts", {
  defaultValue: () => []
})

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
  const { tls } = yield* ServerConfig
  const lifecycle = yield* Lifecycle
  const parts = yield* GivenParts
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

  const adminAddress = yield* Scope.provide(admin.serve(operations, status), administration)
  // Not the parent of anything: listening forks fibers that outlive it.
  const [address, webSocketUrl] = yield* Effect.useSpan("start", { root: true }, () =>
    Effect.all([asTransport(listener.listen(gate)), asTransport(webSocketListener.listen(gate))])
  )
  const opening = yield* ConnectionGate.Opening
  const open = Effect.suspend(() => {
    if (status.state === "starting") status.state = "ready"
    return opening === undefined ? Effect.void : opening.open
  })
  status.address = address
  status.listeners = listenersOf(address, webSocketUrl, tls.cert !== null)
  if (opening === undefined) yield* open
  yield* Effect.addFinalizer(() => shutdown)
  yield* lifecycle.listening(address, webSocketUrl, parts)
  return Relay.of({ ...operations, address, webSocketUrl, adminAddress, open })
})

/**
 * The parts of a server that are not services of the configuration, each above the parts that it needs. They end after `shutdown`, from
 * top to bottom: metrics are removed, the other processes get a goodbye, streams for the host program end.
 */
const parts = RelayMetrics.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(Operations.layer, ConnectionGate.layer)),
  Layer.provideMerge(Session.layer),
  Layer.provide(Cluster.layerQuarantine),
  Layer.provide(Cluster.layer),
  Layer.provideMerge(RefusalLog.layer),
  Layer.provideMerge(ClientRegistry.layer)
)

/** A running server. It listens once it is built, and shuts down with the scope. */
export class Relay extends Context.Service<
  Relay,
  Operations.Operations & {
    /** Where the server listens; the port is the real one where the configuration says 0. */
    readonly address: BoundAddress
    /** The URL for WebSocket clients; `undefined` if the server does not listen for them. */
    readonly webSocketUrl: string | undefined
    /** Where health, metrics and the dashboard are, if anywhere. */
    readonly adminAddress: BoundAddress | undefined
    /** Serves the clients that wait, and those that come. A server that does not start closed is open already. */
    readonly open: Effect.Effect<void>
  }
>()("summoner-server/Relay") {}

/** A relay over the services, and the status, that it is given. */
export const layerWithStatus = Layer.effect(
  Relay,
  Effect.suspend(() => start)
).pipe(Layer.provide([parts, layerReserved]))

/** A relay over the services that it is given. */
export const layerNoDeps = layerWithStatus.pipe(Layer.provide(ServerStatus.layer))
