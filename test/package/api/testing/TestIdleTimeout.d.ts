import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { IdleTimeout } from "../limits/IdleTimeout.ts";
declare const TestIdleTimeout_base: Context.ServiceClass<TestIdleTimeout, "summoner-server/testing/TestIdleTimeout", {
    readonly expire: Effect.Effect<void>;
}>;
export declare class TestIdleTimeout extends TestIdleTimeout_base {
}
export declare const layer: Layer.Layer<IdleTimeout | TestIdleTimeout>;
export {};
