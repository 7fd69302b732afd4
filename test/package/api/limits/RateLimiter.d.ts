import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import type * as Scope from "effect/Scope";
import { ServerConfig } from "../config/CurrentConfig.ts";
import type { ClientIdentity } from "../net/ClientIdentity.ts";
export interface RateBudget {
    readonly spendUnsafe: (nowMillis: number) => boolean;
}
declare const RateLimiter_base: Context.ServiceClass<RateLimiter, "summoner-server/RateLimiter", {
    readonly open: (client: ClientIdentity, nowMillis: number) => Effect.Effect<RateBudget, never, Scope.Scope>;
}>;
export declare class RateLimiter extends RateLimiter_base {
    static readonly layerFixedWindow: Layer.Layer<RateLimiter, never, ServerConfig>;
    static readonly layerTokenBucket: Layer.Layer<RateLimiter, never, ServerConfig>;
    static readonly layerUnlimited: Layer.Layer<RateLimiter, never, never>;
}
export declare const MAX_SHARED_BUDGETS = 65536;
export {};
