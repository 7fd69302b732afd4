import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { ServerConfig, type Values } from "./CurrentConfig.ts";
export interface Change {
    readonly path: string;
    readonly from: unknown;
    readonly to: unknown;
}
declare const ConfigReload_base: Context.ServiceClass<ConfigReload, "summoner-server/ConfigReload", {
    readonly apply: (next: Values) => Effect.Effect<{
        readonly applied: ReadonlyArray<Change>;
        readonly restart: ReadonlyArray<Change>;
    }>;
}>;
export declare class ConfigReload extends ConfigReload_base {
    static readonly layer: (initial: Values) => Layer.Layer<ServerConfig | ConfigReload>;
}
export {};
