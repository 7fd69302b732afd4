import type { Connection } from "./Connection.ts";
import { Outbox, type OutboxEvents, type OutboxLimits } from "./Outbox.ts";
interface OwnLines {
    readonly start: number;
    end: number;
    readonly linesBefore: number;
    linesUpTo: number;
}
export declare class Member {
    readonly address: string;
    readonly outbox: Outbox;
    readonly prefix: Uint8Array;
    own: Array<OwnLines> | undefined;
    constructor(connection: Connection, limits: OutboxLimits, events: OutboxEvents);
}
export declare class Room {
    #private;
    readonly members: Set<Member>;
    constructor(maxLineBytes: number);
    join(member: Member): void;
    leave(member: Member): void;
    publish(sender: Member, bytes: Uint8Array, start: number, end: number): boolean;
    flush(): void;
}
export {};
