import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import type * as Scope from "effect/Scope";
import { ServerConfig } from "../../config/ServerConfig.ts";
import type { ConnectionGate } from "../../session/ConnectionGate.ts";
import type { ListenError } from "../../session/Listener.ts";
import { type TlsError } from "../tls/TlsIdentity.ts";
export interface Service {
    readonly listen: (gate: ConnectionGate) => Effect.Effect<string, ListenError, Scope.Scope>;
}
export declare const WebSocketListener: Context.Reference<Service | undefined>;
export declare const layer: Layer.Layer<never, TlsError, ServerConfig>;
