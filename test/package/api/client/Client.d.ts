import { type ClientError } from "./ClientError.ts";
import { type Incoming, type Message } from "./Incoming.ts";
import type { Open } from "./Transport.ts";
export interface Reconnect {
    readonly attempts?: number | undefined;
    readonly initially?: boolean | undefined;
}
export type Status = {
    readonly state: "connected";
} | {
    readonly state: "disconnected";
    readonly error: ClientError;
    readonly retryMillis: number;
};
export interface Options {
    readonly reconnect?: boolean | Reconnect | undefined;
    readonly onNotice?: ((notice: string) => void) | undefined;
    readonly onStatus?: ((status: Status) => void) | undefined;
    readonly maxBufferBytes?: number | undefined;
    readonly whenFull?: "drop-oldest" | "pause" | undefined;
    readonly connectTimeoutMillis?: number | undefined;
    readonly signal?: AbortSignal | undefined;
}
export declare class Client implements AsyncDisposable {
    #private;
    private constructor();
    static connect(open: Open, url: string, options: Options): Promise<Client>;
    get isConnected(): boolean;
    get dropped(): number;
    get messages(): AsyncIterableIterator<Message>;
    get lines(): AsyncIterableIterator<Incoming>;
    readable(): Promise<boolean>;
    takeAll(): Array<Incoming>;
    send(line: string | Uint8Array): Promise<void>;
    close(options?: {
        readonly goodbye?: string | undefined;
        readonly timeoutMillis?: number | undefined;
    }): Promise<void>;
    [Symbol.asyncDispose](): Promise<void>;
}
