import * as Effect from "effect/Effect";
import type * as HttpServerRequest from "effect/http/HttpServerRequest";
import type * as HttpServerResponse from "effect/http/HttpServerResponse";
import * as Layer from "effect/Layer";
import type * as Scope from "effect/Scope";
import type { IncomingMessage, ServerResponse } from "node:http";
import { ServerConfig } from "../config/CurrentConfig.ts";
import { AdminServer } from "./AdminServer.ts";
export interface AdminMount {
    readonly layer: Layer.Layer<AdminServer, never, ServerConfig>;
    readonly handle: (request: IncomingMessage, response: ServerResponse) => boolean;
    readonly route: Effect.Effect<HttpServerResponse.HttpServerResponse, never, HttpServerRequest.HttpServerRequest | Scope.Scope>;
}
export declare const make: (prefix: string) => AdminMount;
