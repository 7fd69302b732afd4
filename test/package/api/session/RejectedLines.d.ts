import { type Incident } from "./Incidents.ts";
export type LineRejection = "rate limited" | "oversized" | "not UTF-8";
export declare const INCIDENTS: {
    readonly [rejection in LineRejection]: Incident;
};
export declare class RejectedLines {
    #private;
    get isEmpty(): boolean;
    count(rejection: LineRejection): void;
    flush(report: (rejection: LineRejection, lines: number) => void): void;
}
