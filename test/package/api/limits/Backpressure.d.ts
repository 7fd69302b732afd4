import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { ServerConfig } from "../config/CurrentConfig.ts";
export type Verdict = "pass" | "throttle" | "flow_control" | "disconnect";
declare const Backpressure_base: Context.ServiceClass<Backpressure, "summoner-server/Backpressure", {
    readonly decideUnsafe: (fanOut: number) => Verdict;
    readonly throttle: Effect.Effect<void>;
    readonly flowControl: Effect.Effect<void>;
}>;
export declare class Backpressure extends Backpressure_base {
    static readonly layer: Layer.Layer<Backpressure, never, ServerConfig>;
    static readonly layerDisabled: Layer.Layer<Backpressure, never, never>;
}
export {};
