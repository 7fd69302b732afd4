import * as Effect from "effect/Effect";
import type * as Net from "node:net";
import { type Connection, ConnectionLost } from "../room/Connection.ts";
type Bytes = Effect.Effect<Uint8Array | undefined, ConnectionLost>;
export interface Peer {
    readonly address: string;
    readonly ip: string;
    readonly transport: string;
    readonly subject?: string | undefined;
}
export declare class TcpConnection implements Connection {
    #private;
    readonly address: string;
    readonly ip: string;
    readonly transport: string;
    readonly subject: string | undefined;
    onWritable: () => void;
    constructor(socket: Net.Socket, peer: Peer, onTls?: (ip: string) => void);
    readonly pull: Bytes;
    writeUnsafe(bytes: Uint8Array): boolean;
    corkUnsafe(): void;
    uncorkUnsafe(): void;
    receivedBytes(): number;
    unsentBytes(): number;
    endUnsafe(): void;
    readonly ended: Effect.Effect<void>;
    readonly closed: Effect.Effect<void>;
    isClosedUnsafe(): boolean;
    destroyUnsafe(): void;
}
export {};
