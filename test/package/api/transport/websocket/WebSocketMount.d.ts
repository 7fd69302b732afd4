import * as Effect from "effect/Effect";
import type * as HttpServerRequest from "effect/http/HttpServerRequest";
import type * as HttpServerResponse from "effect/http/HttpServerResponse";
import * as Layer from "effect/Layer";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { ServerConfig } from "../../config/CurrentConfig.ts";
import { WebSocketListener } from "./WebSocketListener.ts";
export interface WebSocketMount {
    readonly layer: Layer.Layer<WebSocketListener, never, ServerConfig>;
    readonly handleUpgrade: (request: IncomingMessage, socket: Duplex, head: Uint8Array) => void;
    readonly route: Effect.Effect<HttpServerResponse.HttpServerResponse, never, HttpServerRequest.HttpServerRequest>;
}
export declare const make: () => WebSocketMount;
