import * as Effect from "effect/Effect";
import { type Connection, ConnectionLost } from "../room/Connection.ts";
import type { DisconnectKind } from "../room/DisconnectReason.ts";
export interface Options {
    readonly capacity?: number;
    readonly highWaterMark?: number;
    readonly closesOnEnd?: boolean;
    readonly transport?: string;
    readonly subject?: string | undefined;
}
export declare class MemoryConnection implements Connection {
    #private;
    readonly address: string;
    readonly ip: string;
    readonly transport: string;
    readonly subject: string | undefined;
    onWritable: () => void;
    writes: number;
    ends: number;
    endKind: DisconnectKind | undefined;
    isDestroyed: boolean;
    isClosed: boolean;
    isEnded: boolean;
    constructor(address: string, options?: Options);
    send(data: string | Uint8Array): void;
    endStream(): void;
    reset(code: string): void;
    stopReading(): void;
    resumeReading(): void;
    read(bytes: number): void;
    get received(): string;
    get lines(): ReadonlyArray<string>;
    get isAwaited(): boolean;
    get changes(): number;
    until(condition: (self: this) => boolean): Effect.Effect<void>;
    readLines(count: number): Effect.Effect<ReadonlyArray<string>>;
    readonly pull: Effect.Effect<Uint8Array | undefined, ConnectionLost>;
    writeUnsafe(bytes: Uint8Array): boolean;
    corkUnsafe(): void;
    uncorkUnsafe(): void;
    receivedBytes(): number;
    unsentBytes(): number;
    endUnsafe(kind: DisconnectKind): void;
    refuseUnsafe(notice: string): void;
    readonly ended: Effect.Effect<void>;
    readonly closed: Effect.Effect<void>;
    isClosedUnsafe(): boolean;
    destroyUnsafe(): void;
}
