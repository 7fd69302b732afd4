import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { Backpressure, type Verdict } from "../limits/Backpressure.ts";
export declare const layer: (script: ReadonlyArray<Verdict>, waits?: {
    readonly throttle?: Effect.Effect<void>;
    readonly flowControl?: Effect.Effect<void>;
}) => Layer.Layer<Backpressure>;
