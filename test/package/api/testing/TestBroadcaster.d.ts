import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { Broadcaster } from "../room/Broadcaster.ts";
export interface Published {
    readonly from: string;
    readonly content: string;
    readonly to: ReadonlyArray<string> | undefined;
}
declare const TestBroadcaster_base: Context.ServiceClass<TestBroadcaster, "summoner-server/testing/TestBroadcaster", {
    readonly published: Effect.Effect<ReadonlyArray<Published>>;
}>;
export declare class TestBroadcaster extends TestBroadcaster_base {
}
export declare const layer: Layer.Layer<Broadcaster | TestBroadcaster, never, import("../config/CurrentConfig.ts").ServerConfig>;
export {};
