import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import type * as Stream from "effect/Stream";
import { ServerConfig } from "../config/CurrentConfig.ts";
import type { Observed } from "../internal/EventFeed.ts";
import { type Entry, Quarantine } from "../limits/Quarantine.ts";
import { Broadcaster } from "../room/Broadcaster.ts";
import type { WholeRoom } from "../room/Bus.ts";
import type { ClientInfo } from "../room/ClientInfo.ts";
import { Cluster } from "../room/Cluster.ts";
import * as DisconnectReason from "../room/DisconnectReason.ts";
import { type ClientChange, ClientRegistry, type RelayedMessage, type RelayEvent, type Stats } from "./ClientRegistry.ts";
import { ClientNotFound, MessageRejected, QuarantineRejected } from "./OperationErrors.ts";
import { type ServerState, ServerStatus } from "./ServerStatus.ts";
export type { ServerState } from "./ServerStatus.ts";
export interface BroadcastOptions {
    readonly from?: string | undefined;
    readonly to?: string | ReadonlyArray<string> | undefined;
}
export interface Operations {
    readonly state: Effect.Effect<ServerState>;
    readonly drain: Effect.Effect<void>;
    readonly undrain: Effect.Effect<void>;
    readonly clients: Effect.Effect<ReadonlyArray<ClientInfo>>;
    readonly changes: Stream.Stream<Observed<ClientChange>>;
    readonly messages: Stream.Stream<Observed<RelayedMessage>>;
    readonly events: Stream.Stream<Observed<RelayEvent>>;
    readonly broadcast: (content: string, options?: BroadcastOptions) => Effect.Effect<void, ClientNotFound | MessageRejected>;
    readonly send: (address: string, notice: string) => Effect.Effect<void, ClientNotFound | MessageRejected>;
    readonly disconnect: (address: string, options?: DisconnectReason.DisconnectOptions) => Effect.Effect<void, ClientNotFound | MessageRejected | QuarantineRejected>;
    readonly quarantine: {
        readonly list: Effect.Effect<ReadonlyArray<Entry>>;
        readonly add: (key: string) => Effect.Effect<void, QuarantineRejected>;
        readonly lift: (key: string) => Effect.Effect<boolean>;
    };
    readonly stats: Effect.Effect<Stats>;
    readonly cluster: WholeRoom;
}
export declare const Operations: Context.Service<Operations, Operations>;
export declare const layer: Layer.Layer<Operations, never, Broadcaster | ClientRegistry | Cluster | Quarantine | ServerConfig | ServerStatus>;
