import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { AdminServer } from "../admin/AdminServer.ts";
import { ServerConfig } from "../config/CurrentConfig.ts";
import { Backpressure } from "../limits/Backpressure.ts";
import { ClientLimits } from "../limits/ClientLimits.ts";
import { IdleTimeout } from "../limits/IdleTimeout.ts";
import { Quarantine } from "../limits/Quarantine.ts";
import { RateLimiter } from "../limits/RateLimiter.ts";
import { Broadcaster } from "../room/Broadcaster.ts";
import { Bus, type BusError } from "../room/Bus.ts";
import { Lifecycle } from "../session/Lifecycle.ts";
import { type BoundAddress, Listener } from "../session/Listener.ts";
import * as Operations from "../session/Operations.ts";
import { ServerStatus } from "../session/ServerStatus.ts";
import * as WebSocketListener from "../transport/websocket/WebSocketListener.ts";
export declare const layerBus: Layer.Layer<Bus, BusError, ServerConfig>;
export declare const standard: {
    readonly adminServer: Layer.Layer<AdminServer, never, ServerConfig>;
    readonly backpressure: Layer.Layer<Backpressure, never, ServerConfig>;
    readonly broadcaster: Layer.Layer<Broadcaster, never, ServerConfig>;
    readonly bus: Layer.Layer<Bus, BusError, ServerConfig>;
    readonly clientLimits: Layer.Layer<ClientLimits, never, ServerConfig>;
    readonly idleTimeout: Layer.Layer<IdleTimeout, never, ServerConfig>;
    readonly lifecycle: Layer.Layer<Lifecycle, never, never>;
    readonly listener: Layer.Layer<Listener, import("../RelayServer.ts").TlsError, ServerConfig>;
    readonly quarantine: Layer.Layer<Quarantine, never, ServerConfig>;
    readonly rateLimiter: Layer.Layer<RateLimiter, never, ServerConfig>;
    readonly webSocketListener: Layer.Layer<WebSocketListener.WebSocketListener, import("../RelayServer.ts").TlsError, ServerConfig>;
};
export declare const GivenParts: Context.Reference<readonly string[]>;
declare const Relay_base: Context.ServiceClass<Relay, "summoner-server/Relay", Operations.Operations & {
    readonly address: BoundAddress;
    readonly webSocketUrl: string | undefined;
    readonly adminAddress: BoundAddress | undefined;
    readonly open: Effect.Effect<void>;
}>;
export declare class Relay extends Relay_base {
}
export declare const layerWithStatus: Layer.Layer<Relay, import("../session/Listener.ts").ListenError, AdminServer | Backpressure | Broadcaster | Bus | ClientLimits | IdleTimeout | Lifecycle | Listener | Quarantine | RateLimiter | ServerConfig | ServerStatus | WebSocketListener.WebSocketListener>;
export declare const layerNoDeps: Layer.Layer<Relay, import("../session/Listener.ts").ListenError, AdminServer | Backpressure | Broadcaster | Bus | ClientLimits | IdleTimeout | Lifecycle | Listener | Quarantine | RateLimiter | ServerConfig | WebSocketListener.WebSocketListener>;
export {};
