import * as Effect from "effect/Effect";
import { EventFeed } from "../internal/EventFeed.ts";
import type { Distribution } from "../internal/Histogram.ts";
import type { ClientInfo, ClientState } from "../room/ClientInfo.ts";
import { type DisconnectReason, type DisconnectCounts } from "../room/DisconnectReason.ts";
import type { Client } from "./Client.ts";
import { type Totals } from "./Incidents.ts";
export type ClientChange = {
    readonly _tag: "Connected";
    readonly client: ClientInfo;
} | {
    readonly _tag: "StateChanged";
    readonly client: ClientInfo;
    readonly from: ClientState;
} | {
    readonly _tag: "Disconnected";
    readonly client: ClientInfo;
    readonly reason: string;
};
export interface RelayedMessage {
    readonly address: string;
    readonly content: string;
    readonly to?: ReadonlyArray<string> | undefined;
}
export type RelayEvent = ClientChange | ({
    readonly _tag: "Relayed";
} & RelayedMessage);
export interface Stats {
    readonly startedAt: Date;
    readonly clients: number;
    readonly connections: number;
    readonly linesIn: number;
    readonly linesRelayed: number;
    readonly linesOut: number;
    readonly bytesIn: number;
    readonly bytesOut: number;
    readonly bytesWaiting: number;
    readonly bytesWaitingMax: number;
    readonly incidents: Readonly<Totals>;
    readonly departures: Readonly<DisconnectCounts>;
    readonly fanOut: Distribution;
    readonly latencyMicros: Distribution;
    readonly quarantined: number;
    readonly missedByConsumers: number;
}
export declare class ClientRegistry {
    #private;
    readonly changes: EventFeed<ClientChange>;
    readonly messages: EventFeed<RelayedMessage>;
    readonly events: EventFeed<RelayEvent>;
    readonly totals: Totals;
    private constructor();
    static readonly make: Effect.Effect<ClientRegistry, never, import("effect/Scope").Scope>;
    get clients(): ReadonlyArray<ClientInfo>;
    get stats(): Omit<Stats, "fanOut" | "latencyMicros" | "quarantined">;
    find(address: string): Client | undefined;
    enter(client: Client): void;
    leave(client: Client, { kind, reason }: Pick<DisconnectReason, "kind" | "reason">): void;
    forget(client: Client): void;
    change(client: Client, by: Partial<Pick<Client, "hold" | "isStalled">>): void;
    countRelayed(): void;
    get isListenedTo(): boolean;
    relayed(message: RelayedMessage): void;
}
