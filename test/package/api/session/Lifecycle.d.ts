import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import type { BoundAddress } from "./Listener.ts";
declare const Lifecycle_base: Context.ServiceClass<Lifecycle, "summoner-server/Lifecycle", {
    readonly listening: (address: BoundAddress, webSocketUrl: string | undefined, parts: ReadonlyArray<string>) => Effect.Effect<void>;
    readonly stopping: (clients: number) => Effect.Effect<void>;
    readonly stopped: Effect.Effect<void>;
}>;
export declare class Lifecycle extends Lifecycle_base {
    static readonly layer: Layer.Layer<Lifecycle, never, never>;
}
export {};
