export type Frame = "line" | "oversized" | "not UTF-8" | "none";
export declare class LineFraming {
    #private;
    bytes: Uint8Array;
    start: number;
    end: number;
    constructor(maxBytes: number);
    get unfinishedBytes(): number;
    get isInChunk(): boolean;
    push(chunk: Uint8Array): void;
    nextLines(): boolean;
    skipTo(position: number): void;
    next(): Frame;
    endOfStream(): void;
}
