import * as Exit from "effect/Exit";
export type DepartureKind = "left" | "lost" | "idle" | "too slow" | "backpressure" | "application" | "shutdown" | "failed";
export type Departures = {
    [kind in DepartureKind]: number;
};
export declare const noDepartures: () => Departures;
export interface Departure {
    readonly kind: DepartureKind;
    readonly reason: string;
    readonly notice: string | undefined;
    readonly severity: "Info" | "Warn";
    readonly quarantine?: boolean;
    readonly isWorded?: boolean;
}
export declare const LEFT: Departure;
export declare const SHUTDOWN: Departure;
export declare const FAILED: Departure;
export declare const IDLE: Departure;
export declare const TOO_SLOW: Departure;
export declare const backpressure: (quarantine: boolean) => Departure;
export declare const lost: (code: string) => Departure;
export declare const dismissal: (notice: string | undefined, quarantine: boolean) => Departure;
export declare const ofExit: (exit: Exit.Exit<Departure>) => Departure;
