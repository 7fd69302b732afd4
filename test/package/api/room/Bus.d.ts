import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import * as Schema from "effect/Schema";
import type * as Scope from "effect/Scope";
import type { ClientInfo } from "./ClientInfo.ts";
import type { Chunk } from "./Outbox.ts";
export type { Chunk } from "./Outbox.ts";
declare const BusError_base: Schema.Class<BusError, Schema.TaggedStruct<"BusError", {
    readonly detail: Schema.String;
}>, import("effect/Cause").YieldableError>;
export declare class BusError extends BusError_base {
    get message(): string;
}
export type BusState = "none" | "up" | "down";
export interface BusStats {
    readonly state: BusState;
    readonly batchesOut: number;
    readonly bytesOut: number;
    readonly batchesIn: number;
    readonly bytesIn: number;
    readonly bytesWaiting: number;
    readonly dropped: number;
    readonly lost: number;
    readonly duplicates: number;
    readonly malformed: number;
    readonly reconnects: number;
}
export declare const MAX_MESSAGE_BYTES = 65536;
export declare const NOTHING_EXCHANGED: BusStats;
export interface BusSelf {
    readonly id: string;
    readonly name: string;
}
export interface Peer extends BusSelf {
    readonly clients: number;
}
export interface RoomClient extends ClientInfo {
    readonly relay: string;
}
export interface RoomClients {
    readonly clients: ReadonlyArray<RoomClient>;
    readonly silent: ReadonlyArray<string>;
    readonly omitted: number;
}
export interface WholeRoom {
    readonly stats: Effect.Effect<BusStats>;
    readonly peers: Effect.Effect<ReadonlyArray<Peer>>;
    readonly clients: Effect.Effect<RoomClients>;
}
export interface BusRoom {
    readonly onBatch: (batch: Chunk, release?: () => void) => void;
    readonly hasSlowClients: () => boolean;
    readonly onceClientsCaughtUp: (go: () => void) => void;
    readonly onSlow: (what: string) => void;
    readonly onCaughtUp: (what: string) => void;
}
export interface BusControl {
    readonly onMessage: (message: string, from: string) => void;
    readonly onUp: () => void;
}
declare const Bus_base: Context.ServiceClass<Bus, "summoner-server/Bus", {
    readonly self: BusSelf | undefined;
    readonly publishUnsafe: ((parts: ReadonlyArray<Chunk>) => void) | undefined;
    readonly joinRoom: (room: BusRoom) => Effect.Effect<void, never, Scope.Scope>;
    readonly tellUnsafe: (message: string, to?: string) => void;
    readonly maxMessageBytesUnsafe: () => number;
    readonly listen: (control: BusControl) => Effect.Effect<void, never, Scope.Scope>;
    readonly stats: Effect.Effect<BusStats>;
}>;
export declare class Bus extends Bus_base {
    static readonly layerNone: Layer.Layer<Bus, never, never>;
}
