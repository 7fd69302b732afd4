import type { ClientIdentity } from "../net/ClientIdentity.ts";
export type ClientState = "pending" | "active" | "throttled" | "paused" | "waiting" | "slow";
export interface ClientInfo extends ClientIdentity {
    readonly connectedSince: Date;
    readonly linesIn: number;
    readonly linesOut: number;
    readonly bytesIn: number;
    readonly bytesOut: number;
    readonly bytesWaiting: number;
    readonly state: ClientState;
}
