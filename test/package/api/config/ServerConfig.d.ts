import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import * as Result from "effect/Result";
import * as ConfigErrors from "./ConfigError.ts";
import { Values, type Written } from "./ConfigSchema.ts";
import * as CurrentConfig from "./CurrentConfig.ts";
export { ConfigError, type KeyProblem, type Problem } from "./ConfigError.ts";
export { type Key, keys, settableKeys, shown, withoutSecrets } from "./ConfigKeys.ts";
export { defaults, Values, type Written } from "./ConfigSchema.ts";
export { type Level, levels, profileOf } from "./CurrentConfig.ts";
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
export declare class ServerConfig extends CurrentConfig.ServerConfig {
    static readonly layerFile: (path: string) => Layer.Layer<CurrentConfig.ServerConfig, ConfigErrors.ConfigError, never>;
    static readonly layerValue: (value: unknown, source?: string) => Layer.Layer<CurrentConfig.ServerConfig, ConfigErrors.ConfigError, never>;
    static readonly layerTest: (overrides?: DeepPartial<Values>) => Layer.Layer<CurrentConfig.ServerConfig, never, never>;
}
