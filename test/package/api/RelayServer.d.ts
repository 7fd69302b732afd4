import * as Context from "effect/Context";
import * as Layer from "effect/Layer";
import { AdminServer } from "./admin/AdminServer.ts";
import { type Options, ServerConfig } from "./config/ServerConfig.ts";
import { Backpressure } from "./limits/Backpressure.ts";
import { ClientLimits } from "./limits/ClientLimits.ts";
import { IdleTimeout } from "./limits/IdleTimeout.ts";
import { Quarantine } from "./limits/Quarantine.ts";
import { RateLimiter } from "./limits/RateLimiter.ts";
import { Broadcaster } from "./room/Broadcaster.ts";
import { Bus } from "./room/Bus.ts";
import { Lifecycle } from "./session/Lifecycle.ts";
import { type BoundAddress, Listener } from "./session/Listener.ts";
import * as Operations from "./session/Operations.ts";
import { TlsIdentity } from "./transport/tls/TlsIdentity.ts";
import * as WebSocketListener from "./transport/websocket/WebSocketListener.ts";
export { BusError, type BusState, type BusStats, type Peer, type RoomClient, type RoomClients, type WholeRoom } from "./room/Bus.ts";
export type { ClientInfo, ClientState } from "./room/ClientInfo.ts";
export type { DisconnectKind as DepartureKind, DisconnectCounts as Departures } from "./room/DisconnectReason.ts";
export type { Entry } from "./limits/Quarantine.ts";
export type { Observed } from "./internal/EventFeed.ts";
export type { Distribution } from "./internal/Histogram.ts";
export type { Incident, Totals } from "./session/Incidents.ts";
export { type BoundAddress, ListenError } from "./session/Listener.ts";
export type { Operations, ServerState } from "./session/Operations.ts";
export { ClientNotFound, MessageRejected, QuarantineRejected } from "./session/OperationErrors.ts";
export { TlsError } from "./transport/tls/TlsIdentity.ts";
export type { ClientChange, RelayedMessage, RelayEvent, Stats } from "./session/ClientRegistry.ts";
declare const RelayServer_base: Context.ServiceClass<RelayServer, "summoner-server/RelayServer", Operations.Operations & {
    readonly address: BoundAddress;
    readonly webSocketUrl: string | undefined;
    readonly adminAddress: BoundAddress | undefined;
}>;
export declare class RelayServer extends RelayServer_base {
    static readonly layerNoDeps: Layer.Layer<RelayServer, import("./session/Listener.ts").ListenError, AdminServer | Backpressure | Broadcaster | Bus | ClientLimits | IdleTimeout | Lifecycle | Listener | Quarantine | RateLimiter | ServerConfig | WebSocketListener.WebSocketListener>;
    static readonly layerServices: Layer.Layer<AdminServer | Backpressure | Broadcaster | Bus | ClientLimits | IdleTimeout | Lifecycle | Listener | Quarantine | RateLimiter | TlsIdentity | WebSocketListener.WebSocketListener, import("./room/Bus.ts").BusError | import("./transport/tls/TlsIdentity.ts").TlsError, ServerConfig>;
    static readonly layerConfig: Layer.Layer<RelayServer, import("./room/Bus.ts").BusError | import("./session/Listener.ts").ListenError | import("./transport/tls/TlsIdentity.ts").TlsError, ServerConfig>;
    static readonly layer: (options?: Options) => Layer.Layer<RelayServer, import("./room/Bus.ts").BusError | import("./config/ConfigError.ts").ConfigError | import("./session/Listener.ts").ListenError | import("./transport/tls/TlsIdentity.ts").TlsError, never>;
}
