import * as Context from "effect/Context";
import * as Layer from "effect/Layer";
import type * as Stream from "effect/Stream";
import { type Observed } from "../internal/EventFeed.ts";
import type { Distribution } from "../internal/Histogram.ts";
import type { ClientInfo, ClientState } from "../room/ClientInfo.ts";
import { type DisconnectCounts, type DisconnectKind, type DisconnectReason } from "../room/DisconnectReason.ts";
import type { Sender } from "../room/Room.ts";
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
    readonly kind: DisconnectKind;
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
declare const ClientRegistry_base: Context.ServiceClass<ClientRegistry, "summoner-server/ClientRegistry", {
    readonly totals: Totals;
    readonly clientsUnsafe: () => ReadonlyArray<ClientInfo>;
    readonly statsUnsafe: () => Omit<Stats, "fanOut" | "latencyMicros" | "quarantined">;
    readonly findUnsafe: (address: string) => Client | undefined;
    readonly enterUnsafe: (client: Client) => void;
    readonly leaveUnsafe: (client: Client, reason: Pick<DisconnectReason, "kind" | "reason">) => void;
    readonly forgetUnsafe: (client: Client) => void;
    readonly changeUnsafe: (client: Client, by: Partial<Pick<Client, "hold" | "isInRoom" | "isStalled">>) => void;
    readonly relayedUnsafe: (address: string, bytes: Uint8Array, start: number, end: number, to?: ReadonlyArray<Sender>) => void;
    readonly areLinesWatchedUnsafe: () => boolean;
    readonly countRelayedUnsafe: (lines: number) => void;
    readonly changes: Stream.Stream<Observed<ClientChange>>;
    readonly messages: Stream.Stream<Observed<RelayedMessage>>;
    readonly events: Stream.Stream<Observed<RelayEvent>>;
}>;
export declare class ClientRegistry extends ClientRegistry_base {
    static readonly layer: Layer.Layer<ClientRegistry, never, never>;
}
export declare const toText: (bytes: Uint8Array, start: number, end: number) => string;
export {};
