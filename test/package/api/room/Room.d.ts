import { Histogram } from "../internal/Histogram.ts";
import type { Connection } from "./Connection.ts";
import type { History } from "./History.ts";
import { Outbox, type OutboxEvents, type OutboxLimits, type Chunk } from "./Outbox.ts";
export interface Run {
    readonly start: number;
    end: number;
    readonly linesBefore: number;
    linesUpTo: number;
}
export declare class Sender {
    readonly address: string;
    readonly prefix: Uint8Array;
    own: Array<Run> | undefined;
    constructor(address: string);
}
export declare class Member extends Sender {
    readonly outbox: Outbox;
    constructor(connection: Connection, limits: OutboxLimits, events: OutboxEvents);
}
export declare class Room {
    #private;
    readonly members: Set<Member>;
    readonly fanOut: Histogram;
    readonly latencyMicros: Histogram;
    constructor(maxLineBytes: number, history?: History, limits?: Pick<OutboxLimits, "hard_limit_bytes">);
    join(member: Member): void;
    leave(member: Member): void;
    publish(sender: Sender, bytes: Uint8Array, start: number, end: number, isConstant?: boolean): boolean;
    get publishesLines(): boolean;
    publishLines(sender: Sender, bytes: Uint8Array, start: number, end: number, accept: (lines: number) => number): number;
    connect(publish: ((parts: ReadonlyArray<Chunk>) => void) | undefined): void;
    receive(batch: Chunk, release?: () => void): void;
    publishTo(recipients: ReadonlyArray<Member>, sender: Sender, bytes: Uint8Array, start: number, end: number): boolean;
    flush(): void;
}
