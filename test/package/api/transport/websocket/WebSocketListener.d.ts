import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import type * as Scope from "effect/Scope";
import { ServerConfig } from "../../config/CurrentConfig.ts";
import type { ConnectionGate } from "../../session/ConnectionGate.ts";
import type { ListenError } from "../../session/Listener.ts";
import { type TlsError, TlsIdentity } from "../tls/TlsIdentity.ts";
declare const WebSocketListener_base: Context.ServiceClass<WebSocketListener, "summoner-server/WebSocketListener", {
    readonly listen: (gate: ConnectionGate) => Effect.Effect<string | undefined, ListenError, Scope.Scope>;
}>;
export declare class WebSocketListener extends WebSocketListener_base {
}
export declare const layerNoDeps: Layer.Layer<WebSocketListener, never, ServerConfig | TlsIdentity>;
export declare const layer: Layer.Layer<WebSocketListener, TlsError, ServerConfig>;
export {};
