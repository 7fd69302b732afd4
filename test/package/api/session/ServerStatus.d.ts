import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import type { BoundAddress } from "./Listener.ts";
export type ServerState = "starting" | "ready" | "draining" | "stopping";
declare const ServerStatus_base: Context.ServiceClass<ServerStatus, "summoner-server/ServerStatus", {
    state: ServerState;
    address: BoundAddress | undefined;
    listeners: ReadonlyArray<string>;
}>;
export declare class ServerStatus extends ServerStatus_base {
    static readonly layer: Layer.Layer<ServerStatus, never, never>;
}
export declare const makeDrain: (onTurn?: ((isDraining: boolean) => void) | undefined) => Effect.Effect<{
    drain: Effect.Effect<void, never, never>;
    undrain: Effect.Effect<void, never, never>;
}, never, ServerStatus>;
export declare const listenersOf: ({ host, port }: BoundAddress, webSocketUrl: string | undefined, isTls: boolean) => ReadonlyArray<string>;
export {};
