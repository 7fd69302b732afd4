import * as Context from "effect/Context";
import * as Layer from "effect/Layer";
import { ServerConfig } from "../config/ServerConfig.ts";
export interface RateBudget {
    readonly spendUnsafe: (nowMillis: number) => boolean;
}
export interface LimitedClient {
    readonly address: string;
    readonly ip: string;
    readonly transport: string;
    readonly subject?: string | undefined;
}
declare const RateLimiter_base: Context.ServiceClass<RateLimiter, "summoner-server/RateLimiter", {
    readonly openUnsafe: (client: LimitedClient, nowMillis: number) => RateBudget;
    readonly closeUnsafe: (client: LimitedClient) => void;
}>;
export declare class RateLimiter extends RateLimiter_base {
    static readonly layerFixedWindow: Layer.Layer<RateLimiter, never, ServerConfig>;
    static readonly layerTokenBucket: Layer.Layer<RateLimiter, never, ServerConfig>;
    static readonly layerUnlimited: Layer.Layer<RateLimiter, never, never>;
}
export declare const MAX_SHARED_BUDGETS = 65536;
export {};
