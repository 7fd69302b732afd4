import * as Context from "effect/Context";
import * as Layer from "effect/Layer";
import { ServerConfig } from "../config/CurrentConfig.ts";
import type { Lost } from "./OtlpHttpClient.ts";
export type { Lost } from "./OtlpHttpClient.ts";
export interface Options {
    readonly name: string;
    readonly endpoint: string | null;
    readonly flushMillis?: number | undefined;
}
declare const Telemetry_base: Context.ServiceClass<Telemetry, "summoner-server/Telemetry", {
    readonly lostUnsafe: () => Lost;
    readonly options: Options;
}>;
export declare class Telemetry extends Telemetry_base {
    static readonly layer: (options: Options) => Layer.Layer<Telemetry>;
    static readonly layerTraces: (options: Options) => Layer.Layer<Telemetry>;
    static readonly layerDefault: Layer.Layer<Telemetry, never, ServerConfig>;
}
export declare const layerConfig: (name: string) => Layer.Layer<Telemetry, never, ServerConfig>;
