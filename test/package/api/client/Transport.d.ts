export interface Transport {
    readonly write: (line: string | Uint8Array) => boolean;
    readonly end: () => void;
    readonly destroy: () => void;
    readonly setPaused?: (isPaused: boolean) => void;
}
export interface Handlers {
    readonly onLine: (line: string, isCut: boolean) => void;
    readonly onWritable: () => void;
    readonly onClose: (reason: string | undefined, isFlushed: boolean) => void;
}
export type Open = (url: string, handlers: Handlers, signal: AbortSignal) => Promise<Transport>;
