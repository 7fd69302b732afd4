import * as Effect from "effect/Effect";
import * as Schema from "effect/Schema";
import type * as Scope from "effect/Scope";
declare const LogFileError_base: Schema.Class<LogFileError, Schema.TaggedStruct<"LogFileError", {
    readonly code: Schema.String;
    readonly path: Schema.String;
    readonly reason: Schema.String;
}>, import("effect/Cause").YieldableError>;
export declare class LogFileError extends LogFileError_base {
    get message(): string;
}
export interface LogFile {
    readonly append: (lines: Buffer) => Effect.Effect<void>;
}
export declare const pathOf: (directory: string, name: string) => string;
export declare const open: (options: {
    readonly path: string;
    readonly maxBytes: number;
    readonly backups: number;
    readonly report: (message: string) => void;
}) => Effect.Effect<LogFile, LogFileError, Scope.Scope>;
export {};
