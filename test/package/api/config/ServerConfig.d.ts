import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import * as Result from "effect/Result";
import * as ConfigErrors from "./ConfigError.ts";
import { Values, type Written } from "./ConfigSchema.ts";
export { ConfigError, type KeyProblem, type Problem } from "./ConfigError.ts";
export { type Key, keys, settableKeys, shown, withoutSecrets } from "./ConfigKeys.ts";
export { defaults, type Level, levels, profileOf, Values, type Written } from "./ConfigSchema.ts";
export interface Loaded {
    readonly values: Values;
    readonly warnings: ReadonlyArray<string>;
}
export interface Options extends Omit<Written, "logger" | "$schema"> {
}
export interface Examined {
    readonly input: unknown;
    readonly warnings: ReadonlyArray<string>;
    readonly values: Result.Result<Values, ReadonlyArray<ConfigErrors.KeyProblem>>;
}
export declare const examine: (input: unknown, names?: ReadonlyMap<string, string>) => Examined;
export declare const decode: (input: unknown, source: string) => Effect.Effect<{
    values: Values;
    warnings: string[];
}, ConfigErrors.ConfigError, never>;
export declare const read: (path: string) => Effect.Effect<unknown, ConfigErrors.ConfigError, never>;
export declare const load: (path: string) => Effect.Effect<{
    values: Values;
    warnings: string[];
}, ConfigErrors.ConfigError, never>;
export type DeepPartial<T> = {
    readonly [K in keyof T]?: T[K] extends object ? T[K] extends ReadonlyArray<unknown> ? T[K] : DeepPartial<T[K]> : T[K];
};
export declare const merge: (base: object, overrides: object) => object;
export declare const fromLoaded: <E>(loaded: Effect.Effect<Loaded, E, never>) => Effect.Effect<Values, E, never>;
declare const ServerConfig_base: Context.ServiceClass<ServerConfig, "summoner-server/ServerConfig", Values>;
export declare class ServerConfig extends ServerConfig_base {
    static readonly layer: (values: Values) => Layer.Layer<ServerConfig, never, never>;
    static readonly layerFile: (path: string) => Layer.Layer<ServerConfig, ConfigErrors.ConfigError, never>;
    static readonly layerValue: (value: unknown, source?: string) => Layer.Layer<ServerConfig, ConfigErrors.ConfigError, never>;
    static readonly layerTest: (overrides?: DeepPartial<Values>) => Layer.Layer<ServerConfig, never, never>;
}
