export interface Message {
    readonly type: "message";
    readonly address: string;
    readonly content: string;
    readonly raw: string;
}
export interface Notice {
    readonly type: "notice";
    readonly raw: string;
}
export interface Truncated {
    readonly type: "truncated";
    readonly raw: string;
}
export type Incoming = Message | Notice | Truncated;
export declare const MAX_LINE_BYTES = 1048576;
export declare const parse: (raw: string, isCut: boolean) => Incoming;
export declare const parseObject: (text: string) => Readonly<Record<string, unknown>> | undefined;
