export type Incident = "rate limited" | "throttled" | "paused" | "oversized" | "not UTF-8" | "slow" | "messages dropped" | "notices dropped" | "quarantined" | "server full" | "dropped, too many at once";
export type Totals = {
    [incident in Incident]: number;
};
export declare const noTotals: () => Totals;
export declare class Incidents {
    #private;
    constructor(totals?: Totals);
    count(incident: Incident, times?: number): void;
    report(nowMillis: number): ReadonlyArray<string>;
}
