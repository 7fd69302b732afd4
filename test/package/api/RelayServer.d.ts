import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import * as TcpListener from "./listen/TcpListener.ts";
import { Backpressure } from "./relay/Backpressure.ts";
import { ClientLimits } from "./relay/ClientLimits.ts";
import { IdleTimeout } from "./relay/IdleTimeout.ts";
import { Quarantine } from "./relay/Quarantine.ts";
import { RateLimiter } from "./relay/RateLimiter.ts";
import { ServerConfig } from "./ServerConfig.ts";
declare const RelayServer_base: Context.ServiceClass<RelayServer, "summoner-server/RelayServer", {
    readonly address: TcpListener.BoundAddress;
    readonly clientCount: Effect.Effect<number>;
}>;
export declare class RelayServer extends RelayServer_base {
    static readonly layerNoProfile: Layer.Layer<RelayServer, TcpListener.ListenError, Backpressure | ClientLimits | IdleTimeout | import("./logging/RelayLogger.ts").MessageLog | Quarantine | RateLimiter | ServerConfig>;
    static readonly layer: Layer.Layer<RelayServer, TcpListener.ListenError, import("./logging/RelayLogger.ts").MessageLog | ServerConfig>;
}
export {};
