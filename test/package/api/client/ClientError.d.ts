export declare class CannotConnect extends Error {
    readonly _tag = "CannotConnect";
    readonly reason: string;
    constructor(url: string, reason: string);
}
export declare class Disconnected extends Error {
    readonly _tag = "Disconnected";
    readonly reason: string;
    readonly notice: string | undefined;
    constructor(url: string, reason: string, notice?: string);
}
export declare class NotSent extends Error {
    readonly _tag = "NotSent";
    constructor(reason: string);
}
export type ClientError = CannotConnect | Disconnected;
