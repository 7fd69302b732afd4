import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import type * as Scope from "effect/Scope";
import { ServerConfig } from "../config/CurrentConfig.ts";
import type { BoundAddress, ListenError } from "../session/Listener.ts";
import type { Operations } from "../session/Operations.ts";
import type { ServerStatus } from "../session/ServerStatus.ts";
declare const AdminServer_base: Context.ServiceClass<AdminServer, "summoner-server/AdminServer", {
    readonly serve: (operations: Operations, status: Pick<ServerStatus["Service"], "listeners">) => Effect.Effect<BoundAddress | undefined, ListenError, Scope.Scope>;
}>;
export declare class AdminServer extends AdminServer_base {
    static readonly layerDisabled: Layer.Layer<AdminServer, never, never>;
    static readonly layer: Layer.Layer<AdminServer, never, ServerConfig>;
}
export declare const layerReserved: Layer.Layer<never, never, ServerConfig>;
export {};
