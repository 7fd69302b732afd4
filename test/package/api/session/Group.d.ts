export interface Sender {
    readonly address: string;
    readonly ip: string;
    readonly transport: string;
    readonly subject?: string | undefined;
}
export declare class Group {
    #private;
    constructor();
    add(client: Sender): this;
    delete(client: Sender): boolean;
    has(client: Sender): boolean;
    get size(): number;
    [Symbol.iterator](): IterableIterator<Sender>;
    resolveUnsafe<A extends {}>(resolve: (client: Sender) => A | undefined): ReadonlyArray<A>;
    changedUnsafe(): void;
}
export declare const connected: (client: Sender) => void;
export declare const admitted: (client: Sender) => void;
export declare const disconnected: (client: Sender) => void;
