import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { ServerConfig } from "../config/ServerConfig.ts";
import { Listener } from "../session/Listener.ts";
import { MemoryConnection, type Options } from "./MemoryConnection.ts";
declare const MemoryNetwork_base: Context.ServiceClass<MemoryNetwork, "summoner-server/testing/MemoryNetwork", {
    readonly connect: (options?: Options & {
        readonly ip?: string;
    }) => Effect.Effect<MemoryConnection>;
    readonly settled: Effect.Effect<void>;
}>;
export declare class MemoryNetwork extends MemoryNetwork_base {
}
export declare const layer: Layer.Layer<Listener | MemoryNetwork, never, ServerConfig>;
export {};
