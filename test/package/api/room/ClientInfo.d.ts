export type ClientState = "pending" | "active" | "throttled" | "paused" | "waiting" | "slow";
export interface ClientInfo {
    readonly address: string;
    readonly ip: string;
    readonly transport: string;
    readonly subject?: string | undefined;
    readonly connectedSince: Date;
    readonly linesIn: number;
    readonly linesOut: number;
    readonly bytesIn: number;
    readonly bytesOut: number;
    readonly bytesWaiting: number;
    readonly state: ClientState;
}
