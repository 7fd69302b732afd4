import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { ServerConfig } from "../config/CurrentConfig.ts";
export interface Watched {
    readonly lastLineMillis: () => number | undefined;
    readonly onIdle: () => void;
}
declare const IdleTimeout_base: Context.ServiceClass<IdleTimeout, "summoner-server/IdleTimeout", {
    readonly watch: <A, E, R>(client: Watched, session: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>;
}>;
export declare class IdleTimeout extends IdleTimeout_base {
    static readonly layer: Layer.Layer<IdleTimeout, never, ServerConfig>;
    static readonly layerDisabled: Layer.Layer<IdleTimeout, never, never>;
}
export {};
