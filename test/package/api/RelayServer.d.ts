import * as Context from "effect/Context";
import * as Layer from "effect/Layer";
import { type Options, ServerConfig } from "./config/ServerConfig.ts";
export { BusError, type BusState, type BusStats, type Peer, type RoomClient, type RoomClients, type WholeRoom } from "./room/Bus.ts";
export type { ClientInfo, ClientState } from "./room/ClientInfo.ts";
export type { DisconnectKind as DepartureKind, DisconnectCounts as Departures } from "./room/DisconnectReason.ts";
export type { Entry } from "./limits/Quarantine.ts";
export type { Observed } from "./internal/EventFeed.ts";
export type { Distribution } from "./internal/Histogram.ts";
export type { Affected, Incident, Totals } from "./session/Incidents.ts";
export { Lifecycle } from "./session/Lifecycle.ts";
export { type BoundAddress, ListenError } from "./session/Listener.ts";
export type { Operations, ServerState } from "./session/Operations.ts";
export { ClientNotFound, MessageRejected, QuarantineRejected } from "./session/OperationErrors.ts";
export { TlsError } from "./transport/tls/TlsIdentity.ts";
export type { ClientChange, RelayedMessage, RelayEvent, Stats } from "./session/ClientRegistry.ts";
declare const RelayServer_base: Context.ServiceClass<RelayServer, "summoner-server/RelayServer", import("./session/Operations.ts").Operations & {
    readonly address: import("./session/Listener.ts").BoundAddress;
    readonly webSocketUrl: string | undefined;
    readonly adminAddress: import("./session/Listener.ts").BoundAddress | undefined;
}>;
export declare class RelayServer extends RelayServer_base {
    static readonly layerNoDeps: Layer.Layer<RelayServer, import("./session/Listener.ts").ListenError, import("./admin/AdminServer.ts").AdminServer | import("./limits/Backpressure.ts").Backpressure | import("./room/Broadcaster.ts").Broadcaster | import("./room/Bus.ts").Bus | import("./limits/ClientLimits.ts").ClientLimits | import("./limits/IdleTimeout.ts").IdleTimeout | import("./session/Lifecycle.ts").Lifecycle | import("./session/Listener.ts").Listener | import("./limits/Quarantine.ts").Quarantine | import("./limits/RateLimiter.ts").RateLimiter | ServerConfig | import("./transport/websocket/WebSocketListener.ts").WebSocketListener>;
    static readonly layerServices: Layer.Layer<import("./admin/AdminServer.ts").AdminServer | import("./limits/Backpressure.ts").Backpressure | import("./room/Broadcaster.ts").Broadcaster | import("./room/Bus.ts").Bus | import("./limits/ClientLimits.ts").ClientLimits | import("./limits/IdleTimeout.ts").IdleTimeout | import("./session/Lifecycle.ts").Lifecycle | import("./session/Listener.ts").Listener | import("./limits/Quarantine.ts").Quarantine | import("./limits/RateLimiter.ts").RateLimiter | import("./transport/tls/TlsIdentity.ts").TlsIdentity | import("./transport/websocket/WebSocketListener.ts").WebSocketListener, import("./room/Bus.ts").BusError | import("./transport/tls/TlsIdentity.ts").TlsError, ServerConfig>;
    static readonly layerConfig: Layer.Layer<RelayServer, import("./room/Bus.ts").BusError | import("./session/Listener.ts").ListenError | import("./transport/tls/TlsIdentity.ts").TlsError, ServerConfig>;
    static readonly layer: (options?: Options) => Layer.Layer<RelayServer, import("./room/Bus.ts").BusError | import("./config/ConfigError.ts").ConfigError | import("./session/Listener.ts").ListenError | import("./transport/tls/TlsIdentity.ts").TlsError, never>;
}
