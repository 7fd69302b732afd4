import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { ServerConfig } from "../config/CurrentConfig.ts";
import { ClientLimits } from "../limits/ClientLimits.ts";
import { IdleTimeout } from "../limits/IdleTimeout.ts";
import { Quarantine } from "../limits/Quarantine.ts";
import { RateLimiter } from "../limits/RateLimiter.ts";
import { Broadcaster } from "../room/Broadcaster.ts";
import type { Connection } from "../room/Connection.ts";
import { ClientRegistry } from "./ClientRegistry.ts";
declare const Session_base: Context.ServiceClass<Session, "summoner-server/Session", {
    readonly run: (connection: Connection) => Effect.Effect<void>;
    readonly flushUnsafe: () => void;
    readonly isHeldUnsafe: (address: string) => boolean;
    readonly beginShutdown: Effect.Effect<void>;
}>;
export declare class Session extends Session_base {
    static readonly layer: Layer.Layer<Session, never, import("../limits/Backpressure.ts").Backpressure | Broadcaster | ClientLimits | ClientRegistry | IdleTimeout | Quarantine | RateLimiter | ServerConfig>;
}
export {};
