import type { ClientIdentity } from "../net/ClientIdentity.ts";
export declare class Group {
    #private;
    constructor();
    add(client: ClientIdentity): this;
    delete(client: ClientIdentity): boolean;
    has(client: ClientIdentity): boolean;
    get size(): number;
    [Symbol.iterator](): IterableIterator<ClientIdentity>;
    resolveUnsafe<A extends {}>(resolve: (client: ClientIdentity) => A | undefined): ReadonlyArray<A>;
    changedUnsafe(): void;
}
export declare const connected: (client: ClientIdentity) => void;
export declare const admitted: (client: ClientIdentity) => void;
export declare const disconnected: (client: ClientIdentity) => void;
