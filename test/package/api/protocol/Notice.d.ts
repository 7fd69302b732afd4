export declare const RATE_LIMITED = "Warning: You are sending messages too quickly. Please slow down.\n";
export declare const IDLE = "Warning: You have been disconnected due to inactivity.\n";
export declare const SHUTTING_DOWN = "Warning: Server is shutting down.\n";
export declare const SERVER_DISCONNECTED = "Warning: Server disconnected.\n";
export declare const BACKPRESSURE = "Warning: You have been disconnected due to backpressure.\n";
export declare const TOO_SLOW = "Warning: You have been disconnected due to reading too slowly.\n";
export declare const NOT_UTF8 = "Warning: Message is not valid UTF-8 and was dropped.\n";
export declare const SERVER_FULL = "Warning: Server is full. Please try again later.\n";
export declare const DISCONNECTED = "Warning: You have been disconnected by the server.\n";
export declare const MAX_BYTES = 65536;
export declare const fromText: (text: string) => string;
export declare const problemOf: (text: string, maxLineBytes: number) => {
    readonly reason: "too long" | "not Unicode";
    readonly detail: string;
} | undefined;
export declare const oversized: (maxLineBytes: number) => string;
export declare const messagesDropped: (count: number) => string;
export declare const quarantined: (millis: number) => string;
