import * as Layer from "effect/Layer";
import { Listener } from "../relay/Listener.ts";
import { ServerConfig } from "../ServerConfig.ts";
export declare const layer: Layer.Layer<Listener, never, ServerConfig>;
