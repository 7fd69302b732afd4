import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import type { ConfigError } from "./config/ConfigError.ts"
import * as ConfigSources from "./config/ConfigSources.ts"
import * as ServerConfigs from "./config/ServerConfig.ts"
import { thresholdWarning } from "./config/thresholdWarning.ts"
import * as RelayParts from "./relay/Parts.ts"
import * as Relay from "./relay/Relay.ts"
import { Opening } from "./session/ConnectionGate.ts"
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
export type {
  DisconnectKind as DepartureKind,
  DisconnectCounts as Departures,
  DisconnectOptions
} from "./room/DisconnectReason.ts"
export type { Entry } from "./limits/Quarantine.ts"
export type { Observed } from "./internal/EventFeed.ts"
export type { Distribution } from "./internal/Histogram.ts"
export type { Affected, Incident, Totals } from "./session/Incidents.ts"
export { Lifecycle } from "./session/Lifecycle.ts"
export { type BoundAddress, ListenError } from "./session/Listener.ts"
export type { BroadcastOptions, Operations, ServerState } from "./session/Operations.ts"
export { ClientNotFound, MessageRejected, QuarantineRejected } from "./session/OperationErrors.ts"
export { TlsError } from "./transport/tls/TlsIdentity.ts"
export type { ErrorOf, Parts, ServicesOf, StartError } from "./relay/Parts.ts"
export type { ClientChange, RelayedMessage, RelayEvent, Stats } from "./session/ClientRegistry.ts"

const { ServerConfig } = ServerConfigs
type ServerConfig = ServerConfigs.ServerConfig

/** The options of a server: the content of a `server.json`, typed, without the `logger` group. */
export type Options = ServerConfigs.Options

/** What a program gives a server beside its configuration. */
export interface Setup extends RelayParts.Parts {
  /**
   * Variables that win over the configuration, `SUMMONER_PORT` for `port`: `process.env`. By default none. One that is unknown is a
   * `ConfigError`.
   */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined
  /**
   * Whether clients wait for `open`. The server listens, so that its address is known and connections are not refused, and serves none of
   * them before. `false` by default.
   */
  readonly startsClosed?: boolean | undefined
}

const say = (remark: string | undefined) =>
  remark === undefined ? Layer.empty : Layer.effectDiscard(Effect.logInfo(remark))

/** The relay of one thread that the configuration describes, or of several: those are loaded only where they run. */
const relay = (setup: Setup) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { count, remark } = yield* threadCount
      const given = RelayParts.namesOf(setup)
      if (count > 1 && given.length === 0) {
        const { layer } = yield* Effect.promise(() => import("./threads/ThreadedRelay.ts"))
        return Layer.provide(layer(count, setup.startsClosed), say(remark))
      }
      const { worker_threads } = (yield* ServerConfig).hyper_parameters
      const why = `threads cannot share parts of the program: ${given.join(", ")}`
      const opening = setup.startsClosed === true ? Latch.makeUnsafe(false) : undefined
      return RelayParts.layer(setup).pipe(
        Layer.provide(Layer.succeed(Opening, opening)),
        Layer.provide(say(count === 1 ? remark : remarkOn(worker_threads, 1, why)))
      )
    })
  )

const warnOfThresholds = Effect.flatMap(ServerConfig, (config) =>
  Effect.forEach(thresholdWarning(config), (warning) => Effect.logWarning(warning), { discard: true })
)

const server = (setup: Setup) =>
  Layer.fresh(
    Layer.effect(RelayServer, Effect.tap(Relay.Relay, warnOfThresholds)).pipe(
      Layer.provide(relay(setup)),
      Layer.provide(Telemetry.layerDefault)
    )
  )

/** Builds a server, once it is clear that it ignores nothing. */
const checked = <E, R>(caller: string, setup: Setup, hasConfig: boolean, layer: Layer.Layer<RelayServer, E, R>) =>
  Layer.unwrap(Effect.as(RelayParts.check(caller, setup, ["environment", "startsClosed"], hasConfig), layer))

const configured = <P extends Setup, E = never>(
  caller: string,
  setup: P,
  source: string,
  content: Effect.Effect<unknown, E>
) => {
  const { environment } = setup
  const loaded = Effect.flatMap(content, (content): Effect.Effect<ServerConfigs.Loaded, ConfigError> =>
    environment === undefined
      ? ServerConfigs.decode(content, source)
      : ConfigSources.withEnvironment(source, content, environment)
  )
  const config = Layer.effect(ServerConfig, ServerConfigs.fromLoaded(loaded))
  return checked(caller, setup, true, Layer.provide(server(setup), config)) as Layer.Layer<
    RelayServer,
    RelayParts.ErrorOf<P> | RelayParts.StartError | ConfigError | E,
    RelayParts.ServicesOf<P>
  >
}

/**
 * The whole server as one Layer. It listens once the Layer is built. When its scope ends, it stops accepting, delivers what it has
 * accepted, sends every client a notice and closes (docs/operating.md#stopping).
 *
 * Each of its Layers takes a `Setup`: parts of the program instead of the standard ones, `{ messageFilter, rateLimiter }` for example.
 * Parts have to be given there. One that is provided around the server would be ignored, so the server dies of it. A server with parts of
 * the program runs in one thread, because threads cannot share them, and names them in the log line of its start. Two servers share
 * nothing: each builds its own parts.
 */
export class RelayServer extends Context.Service<RelayServer, Relay.Relay["Service"]>()("summoner-server/RelayServer") {
  /**
   * A server that logs through the loggers of the host program. `RelayLogger.layerConfig` gives it the log of `server.json`. It exports to
   * the collector of `otlp`, unless it is given a `Telemetry`.
   *
   * @example
   *   RelayServer.layer({ port: 8888 }, { rateLimiter: RateLimiter.layerTokenBucket })
   *
   * @param options as in a `server.json`, with its defaults
   * @param setup parts of the program, and how the server starts
   * @returns fails with `ConfigError`, which lists everything that is wrong with the options, `ListenError`, `TlsError` or `BusError`, and
   *   as its parts do
   */
  static readonly layer = <const P extends Setup = {}>(options: Options = {}, setup?: RelayParts.Exact<P, Setup>) =>
    configured("RelayServer.layer", (setup ?? {}) as P, "RelayServer.layer", Effect.succeed(options))

  /**
   * As `layer`, with options from the `ConfigProvider` of the program.
   *
   * @example
   *   RelayServer.layerConfig({ port: Config.Port("PORT"), version: Config.succeed("rust") })
   *
   * @param config a `Config` of all options, or of each
   * @param setup as for `layer`
   * @returns fails as `layer` does, and with Effect's `Config.ConfigError`
   */
  static readonly layerConfig = <const P extends Setup = {}>(
    config: Config.Wrap<Options>,
    setup?: RelayParts.Exact<P, Setup>
  ) =>
    configured(
      "RelayServer.layerConfig",
      (setup ?? {}) as P,
      "RelayServer.layerConfig",
      Effect.suspend(() => Config.unwrap(config))
    )

  /**
   * As `layer`, with the options in a file. Its `logger` group takes effect only through `RelayLogger.layerConfig`.
   *
   * @param path of a `server.json`
   * @param setup as for `layer`
   * @returns fails as `layer` does
   */
  static readonly layerConfigFile = <const P extends Setup = {}>(path: string, setup?: RelayParts.Exact<P, Setup>) =>
    configured("RelayServer.layerConfigFile", (setup ?? {}) as P, path, ServerConfigs.read(path))

  /**
   * The server of the `ServerConfig` that is provided to it: for a program that uses the configuration for more than the server, its
   * log for example.
   *
   * @param setup as for `layer`, without `environment`: the `ServerConfig` has what variables say
   * @returns fails with `ListenError`, `TlsError` or `BusError`, and as its parts do
   */
  static readonly layerServerConfig = <const P extends Omit<Setup, "environment"> = {}>(
    setup?: RelayParts.Exact<P, Omit<Setup, "environment">>
  ) =>
    checked("RelayServer.layerServerConfig", setup ?? {}, false, server(setup ?? {})) as Layer.Layer<
      RelayServer,
      RelayParts.ErrorOf<P> | RelayParts.StartError,
      RelayParts.ServicesOf<P> | ServerConfig
    >
}
