import type { Incident, Totals } from "./Incidents.ts";
export declare class IncidentLog {
    #private;
    constructor(totals?: Totals);
    count(incident: Incident, times?: number): void;
    report(nowMillis: number, onReported?: (incident: Incident, times: number) => void): ReadonlyArray<string>;
}
