import * as Config from "effect/Config";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import type { ConfigError } from "./config/ConfigError.ts";
import * as ServerConfigs from "./config/ServerConfig.ts";
import * as RelayParts from "./relay/Parts.ts";
export { BusError, type BusState, type BusStats, type Peer, type RoomClient, type RoomClients, type WholeRoom } from "./room/Bus.ts";
export type { ClientInfo, ClientState } from "./room/ClientInfo.ts";
export type { DisconnectKind as DepartureKind, DisconnectCounts as Departures, DisconnectOptions } from "./room/DisconnectReason.ts";
export type { Entry } from "./limits/Quarantine.ts";
export type { Observed } from "./internal/EventFeed.ts";
export type { Distribution } from "./internal/Histogram.ts";
export type { Affected, Incident, Totals } from "./session/Incidents.ts";
export { Lifecycle } from "./session/Lifecycle.ts";
export { type BoundAddress, ListenError } from "./session/Listener.ts";
export type { BroadcastOptions, Operations, ServerState } from "./session/Operations.ts";
export { ClientNotFound, MessageRejected, QuarantineRejected } from "./session/OperationErrors.ts";
export { TlsError } from "./transport/tls/TlsIdentity.ts";
export type { ErrorOf, Parts, ServicesOf, StartError } from "./relay/Parts.ts";
export type { ClientChange, RelayedMessage, RelayEvent, Stats } from "./session/ClientRegistry.ts";
declare const ServerConfig: typeof ServerConfigs.ServerConfig;
type ServerConfig = ServerConfigs.ServerConfig;
export type Options = ServerConfigs.Options;
export interface Setup extends RelayParts.Parts {
    readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
    readonly startsClosed?: boolean | undefined;
}
declare const RelayServer_base: Context.ServiceClass<RelayServer, "summoner-server/RelayServer", import("./session/Operations.ts").Operations & {
    readonly address: import("./session/Listener.ts").BoundAddress;
    readonly webSocketUrl: string | undefined;
    readonly adminAddress: import("./session/Listener.ts").BoundAddress | undefined;
    readonly open: Effect.Effect<void>;
}>;
export declare class RelayServer extends RelayServer_base {
    static readonly layer: <const P extends Setup = {}>(options?: Options, setup?: RelayParts.Exact<P, Setup>) => Layer.Layer<RelayServer, ConfigError | RelayParts.ErrorOf<P> | RelayParts.StartError, RelayParts.ServicesOf<P>>;
    static readonly layerConfig: <const P extends Setup = {}>(config: Config.Wrap<Options>, setup?: RelayParts.Exact<P, Setup>) => Layer.Layer<RelayServer, Config.ConfigError | ConfigError | RelayParts.ErrorOf<P> | RelayParts.StartError, RelayParts.ServicesOf<P>>;
    static readonly layerConfigFile: <const P extends Setup = {}>(path: string, setup?: RelayParts.Exact<P, Setup>) => Layer.Layer<RelayServer, ConfigError | RelayParts.ErrorOf<P> | RelayParts.StartError, RelayParts.ServicesOf<P>>;
    static readonly layerServerConfig: <const P extends Omit<Setup, "environment"> = {}>(setup?: RelayParts.Exact<P, Omit<Setup, "environment">>) => Layer.Layer<RelayServer, RelayParts.ErrorOf<P> | RelayParts.StartError, RelayParts.ServicesOf<P> | ServerConfig>;
}
