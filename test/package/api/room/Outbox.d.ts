import type { ServerConfig } from "../config/CurrentConfig.ts";
import type { Connection } from "./Connection.ts";
import type { DisconnectKind } from "./DisconnectReason.ts";
export type OutboxLimits = Pick<ServerConfig["Service"]["hyper_parameters"]["slow_consumer"], "policy" | "soft_limit_bytes" | "hard_limit_bytes">;
export interface OutboxEvents {
    readonly onSlow: () => void;
    readonly onCaughtUp: () => void;
    readonly onNearlyFull?: (isNearlyFull: boolean) => void;
    readonly onProgress?: () => void;
    readonly onOverflow: () => void;
    readonly onDropped: (messages: number) => void;
}
export interface Chunk {
    readonly bytes: Uint8Array;
    readonly messages: number;
    readonly batch?: Uint8Array;
}
export declare class Outbox {
    #private;
    constructor(connection: Connection, limits: OutboxLimits, events: OutboxEvents);
    get waitingBytes(): number;
    get takenBytes(): number;
    get isNearlyFull(): boolean;
    get sentMessages(): number;
    get sentBytes(): number;
    send(chunk: Chunk): boolean;
    sendAll(chunks: ReadonlyArray<Chunk>): void;
    notify(text: string, count?: number): number;
    end(farewell: string | undefined, kind: DisconnectKind): void;
    close(): void;
}
