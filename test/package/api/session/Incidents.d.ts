export type Affected = 
"connection"
 | "line"
 | "sender"
 | "reader"
 | "delivery"
 | "notice";
export interface Incident {
    readonly code: string;
    readonly text: string;
    readonly affects: Affected;
}
export declare const all: ReadonlyArray<Incident>;
export declare const define: (affects: Affected, code: string, text: string) => Incident;
export declare const RATE_LIMITED: Incident;
export declare const OVERSIZED: Incident;
export declare const NOT_UTF8: Incident;
export declare const THROTTLED: Incident;
export declare const PAUSED: Incident;
export declare const SLOW: Incident;
export declare const MESSAGES_DROPPED: Incident;
export declare const NOTICES_DROPPED: Incident;
export declare const QUARANTINED: Incident;
export declare const SERVER_FULL: Incident;
export declare const DRAINING: Incident;
export type Totals = {
    [text: string]: number;
};
export declare const noTotals: () => Totals;
