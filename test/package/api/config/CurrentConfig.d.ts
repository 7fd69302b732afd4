import * as Context from "effect/Context";
import * as Layer from "effect/Layer";
import type { Values } from "./ConfigSchema.ts";
export type { Values } from "./ConfigSchema.ts";
export declare const levels: readonly ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
export type Level = (typeof levels)[number];
export declare const defaultFormats: {
    console_log_format: string;
    log_format: string;
    date_format: string;
};
export declare const profileOf: (version: Values["version"]) => "rust" | "python";
declare const ServerConfig_base: Context.ServiceClass<ServerConfig, "summoner-server/ServerConfig", Values>;
export declare class ServerConfig extends ServerConfig_base {
    static readonly layer: (values: Values) => Layer.Layer<ServerConfig, never, never>;
}
