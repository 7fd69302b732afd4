import type * as Fiber from "effect/Fiber";
import type { Gate } from "./Admission.ts";
import type { Verdict } from "./Backpressure.ts";
import type { Connection } from "./Connection.ts";
import { type Departure } from "./Departure.ts";
import type { Watched } from "./IdleTimeout.ts";
import { Incidents, type Totals } from "./Incidents.ts";
import type { LineFraming } from "./LineFraming.ts";
import type { RateBudget } from "./RateLimiter.ts";
import type { Member } from "./Room.ts";
export type Hold = "congested" | "admission" | Exclude<Verdict, "pass" | "disconnect">;
export type ClientState = "active" | "throttled" | "paused" | "waiting" | "slow";
export interface ClientInfo {
    readonly address: string;
    readonly ip: string;
    readonly connectedSince: Date;
    readonly linesIn: number;
    readonly linesOut: number;
    readonly bytesIn: number;
    readonly bytesOut: number;
    readonly bytesWaiting: number;
    readonly state: ClientState;
}
export declare class Client implements Watched {
    #private;
    readonly connection: Connection;
    readonly budget: RateBudget;
    readonly incidents: Incidents;
    readonly connectedMillis: number;
    framing: LineFraming;
    member: Member;
    lastLine: number;
    hold: Hold | undefined;
    isStalled: boolean;
    goneMillis: number | undefined;
    gate: Gate | undefined;
    linesIn: number;
    bytesIn: number;
    overLimit: number;
    oversized: number;
    notUtf8: number;
    departure: Departure | undefined;
    constructor(options: {
        readonly connection: Connection;
        readonly budget: RateBudget;
        readonly totals: Totals;
        readonly nowMillis: number;
        readonly connectedMillis: number;
        readonly fiber: Fiber.Fiber<unknown, unknown>;
    });
    get hasOffended(): boolean;
    get info(): ClientInfo;
    lastLineMillis(): number | undefined;
    onIdle(): void;
    tell(notice: string, times?: number): number;
    evict(departure: Departure): void;
}
