import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import type * as LogLevel from "effect/LogLevel";
import { type Level, ServerConfig, type Values } from "../config/CurrentConfig.ts";
import * as LogFile from "./LogFile.ts";
export { LogFileError } from "./LogFile.ts";
export interface Options extends LoggerValues {
    readonly name: string;
    readonly flushMillis?: number | undefined;
}
type LoggerValues = Values["logger"];
export interface MessageLog {
    readonly enabled: boolean;
    readonly relayed: (address: string, content: string, timeMillis?: number) => void;
}
export interface LogWire {
    readonly log_level: Level | null;
    readonly isMessageLogged: boolean;
}
export declare const MessageLog: Context.Reference<MessageLog>;
export declare const IsAnnouncement: Context.Reference<boolean>;
declare const RelayLogger_base: Context.ServiceClass<RelayLogger, "summoner-server/RelayLogger", {
    readonly name: string;
    readonly path: string | undefined;
    readonly droppedUnsafe: () => number;
    readonly isLoggedUnsafe: (level: LogLevel.LogLevel) => boolean;
    readonly flush: Effect.Effect<void>;
}>;
export declare class RelayLogger extends RelayLogger_base {
    static readonly layer: (options: Options) => Layer.Layer<RelayLogger, LogFile.LogFileError>;
    static readonly layerWire: ({ isMessageLogged, log_level, write }: LogWire & {
        readonly write: (lines: Buffer) => Effect.Effect<void>;
    }) => Layer.Layer<RelayLogger>;
    static readonly layerSilent: Layer.Layer<RelayLogger>;
    static readonly layerTest: (lines: Array<string>, options?: Partial<Pick<Options, "name" | "log_level" | "log_format" | "date_format" | "enable_json_log" | "log_keys">>) => Layer.Layer<RelayLogger>;
}
export declare const wireOf: Effect.Effect<LogWire, never, ServerConfig>;
export declare const wireReceiver: Effect.Effect<(lines: Uint8Array) => void>;
export declare const layerConfig: (name: string) => Layer.Layer<RelayLogger, LogFile.LogFileError, ServerConfig>;
