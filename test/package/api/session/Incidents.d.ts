export type Incident = "rate limited" | "throttled" | "paused" | "oversized" | "not UTF-8" | "slow" | "messages dropped" | "notices dropped" | "quarantined" | "server full" | "dropped, too many at once" | "draining" | "not a WebSocket handshake" | "origin not allowed" | "not allowed" | "no PROXY header" | "TLS on the plain-text port" | "plain text on the TLS port" | "TLS handshake failed" | "arrival timed out" | "displaced while arriving";
export type Totals = {
    [incident in Incident]: number;
};
export declare const noTotals: () => Totals;
export declare class IncidentLog {
    #private;
    constructor(totals?: Totals);
    count(incident: Incident, times?: number): void;
    report(nowMillis: number, onTold?: (incident: Incident, times: number) => void): ReadonlyArray<string>;
}
