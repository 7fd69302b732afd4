import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Options, ServerConfig } from "./config/ServerConfig.ts"
import * as Relay from "./relay/Relay.ts"
import { MessageFilter } from "./session/MessageFilter.ts"
import { Telemetry } from "./telemetry/Telemetry.ts"
import { remarkOn, threadCount } from "./threads/threadCount.ts"

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

/** Logs what there is to say before the server starts. */
const say = (remark: string | undefined) =>
  remark === undefined ? Layer.empty : Layer.effectDiscard(Effect.logInfo(remark))

/** The server of one thread that the configuration describes, or of several: those are loaded only where they run. */
const configured = Layer.unwrap(
  Effect.gen(function* () {
    const { count, remark } = yield* threadCount
    const isFiltered = (yield* MessageFilter) !== undefined
    if (count === 1 || isFiltered) {
      const { worker_threads } = (yield* ServerConfig).hyper_parameters
      const why = count === 1 ? remark : remarkOn(worker_threads, 1, "threads cannot share a message filter")
      return Layer.provide(Relay.layerNoDeps, [Relay.layerServices, say(why)])
    }
    const { layer } = yield* Effect.promise(() => import("./threads/ThreadedRelay.ts"))
    return Layer.provide(layer(count), say(remark))
  })
)

/**
 * The whole server as one Layer. It listens once the Layer is built. When its scope ends, it stops accepting, delivers what it has
 * accepted, sends every client a notice and closes (docs/operating.md#stopping).
 */
export class RelayServer extends Context.Service<RelayServer, Relay.Relay["Service"]>()("summoner-server/RelayServer") {
  /**
   * The server without its services: `Layer.provide` your own first, then `layerServices` for the rest. It runs in one thread: threads
   * cannot share services. Two servers of one program share the services given to both, unless they are wrapped in `Layer.fresh`. Fails
   * with `ListenError`.
   */
  static readonly layerNoDeps = Layer.effect(RelayServer, Relay.Relay).pipe(
    Layer.provide(Relay.layerNoDeps),
    Layer.provide(
      Layer.unwrap(
        Effect.map(ServerConfig, ({ hyper_parameters: { worker_threads } }) =>
          say(
            worker_threads === 1
              ? undefined
              : remarkOn(worker_threads, 1, "threads cannot share services of the program")
          )
        )
      )
    )
  )

  /**
   * The services as configured: TCP and WebSocket, with or without TLS, the protections of the profile, the admin server, the log of
   * start and shutdown, and NATS.
   */
  static readonly layerServices = Relay.layerServices

  /**
   * The server of the `ServerConfig`, in as many threads as `worker_threads` says (docs/scaling.md#all-cores-of-one-machine). Exports to the collector of `otlp`,
   * unless it is given a `Telemetry`. Fails with `ListenError`, `TlsError` or `BusError`.
   */
  static readonly layerConfig = Layer.fresh(
    Layer.effect(RelayServer, Relay.Relay).pipe(Layer.provide(configured), Layer.provide(Telemetry.layerDefault))
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
