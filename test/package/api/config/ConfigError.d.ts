import * as Result from "effect/Result";
import * as Schema from "effect/Schema";
import type * as SchemaIssue from "effect/SchemaIssue";
import type { Key } from "./ConfigKeys.ts";
export interface Problem extends Schema.Schema.Type<typeof Problem> {
}
export declare const Problem: Schema.Struct<{
    readonly path: Schema.String;
    readonly expected: Schema.String;
    readonly found: Schema.String;
    readonly hint: Schema.String;
}>;
declare const ConfigError_base: Schema.Class<ConfigError, Schema.TaggedStruct<"ConfigError", {
    readonly source: Schema.String;
    readonly summary: Schema.String;
    readonly issues: Schema.$Array<Schema.Struct<{
        readonly path: Schema.String;
        readonly expected: Schema.String;
        readonly found: Schema.String;
        readonly hint: Schema.String;
    }>>;
}>, import("effect/Cause").YieldableError>;
export declare class ConfigError extends ConfigError_base {
    get message(): string;
}
export declare const formatProblem: ({ path, expected, found, hint }: Problem) => string;
export type KnownKey = Pick<Key, "path" | "expected" | "default"> & Partial<Key>;
export declare const nearest: (path: ReadonlyArray<PropertyKey>, known: Iterable<KnownKey>) => string | undefined;
export declare const didYouMean: (name: string | undefined) => string;
export interface KeyProblem {
    readonly key: string;
    readonly comparesKeys: boolean;
    readonly problem: Problem;
}
export declare const problems: (options: {
    readonly issue: SchemaIssue.Issue;
    readonly input: unknown;
    readonly known: ReadonlyMap<string, KnownKey>;
    readonly origins: ReadonlyMap<string, string>;
}) => ReadonlyArray<KeyProblem>;
export declare const invalid: (source: string, issues: ReadonlyArray<Problem>) => ConfigError;
export declare const problemsIn: (values: Result.Result<unknown, ReadonlyArray<KeyProblem>>) => ReadonlyArray<KeyProblem>;
export declare const invalidKeys: (source: string, problems: ReadonlyArray<KeyProblem>) => ConfigError;
export declare const unreadable: (source: string, cause: unknown) => ConfigError;
export {};
