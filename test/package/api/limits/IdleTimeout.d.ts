import * as Context from "effect/Context";
import * as Layer from "effect/Layer";
import { ServerConfig } from "../config/ServerConfig.ts";
export interface Watched {
    readonly lastLineMillis: () => number | undefined;
    readonly onIdle: () => void;
}
declare const IdleTimeout_base: Context.ServiceClass<IdleTimeout, "summoner-server/IdleTimeout", {
    readonly watchUnsafe: (client: Watched) => void;
    readonly unwatchUnsafe: (client: Watched) => void;
}>;
export declare class IdleTimeout extends IdleTimeout_base {
    static readonly layer: Layer.Layer<IdleTimeout, never, ServerConfig>;
    static readonly layerDisabled: Layer.Layer<IdleTimeout, never, never>;
}
export {};
