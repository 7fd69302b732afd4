import * as Effect from "effect/Effect";
import type * as Stream from "effect/Stream";
import { ServerConfig } from "../config/ServerConfig.ts";
import type { Observed } from "../internal/EventFeed.ts";
import { type Entry, Quarantine } from "../limits/Quarantine.ts";
import { Broadcaster } from "../room/Broadcaster.ts";
import type { WholeRoom } from "../room/Bus.ts";
import type { ClientInfo } from "../room/ClientInfo.ts";
import type { ClientChange, RelayedMessage, RelayEvent, Stats } from "./ClientRegistry.ts";
import type { BoundAddress } from "./Listener.ts";
import { ClientNotFound, MessageRejected, QuarantineRejected } from "./OperationErrors.ts";
import type * as Session from "./Session.ts";
export type ServerState = "starting" | "ready" | "draining" | "stopping";
export interface Status {
    state: ServerState;
    address: BoundAddress | undefined;
}
export interface Operations {
    readonly state: Effect.Effect<ServerState>;
    readonly drain: Effect.Effect<void>;
    readonly undrain: Effect.Effect<void>;
    readonly clients: Effect.Effect<ReadonlyArray<ClientInfo>>;
    readonly changes: Stream.Stream<Observed<ClientChange>>;
    readonly messages: Stream.Stream<Observed<RelayedMessage>>;
    readonly events: Stream.Stream<Observed<RelayEvent>>;
    readonly broadcast: (content: string, options?: {
        readonly from?: string | undefined;
    }) => Effect.Effect<void, MessageRejected>;
    readonly send: (address: string, notice: string) => Effect.Effect<void, ClientNotFound | MessageRejected>;
    readonly disconnect: (address: string, options?: {
        readonly notice?: string | undefined;
        readonly quarantine?: boolean | undefined;
    }) => Effect.Effect<void, ClientNotFound | MessageRejected | QuarantineRejected>;
    readonly quarantine: {
        readonly list: Effect.Effect<ReadonlyArray<Entry>>;
        readonly add: (key: string) => Effect.Effect<void, QuarantineRejected>;
        readonly lift: (key: string) => Effect.Effect<boolean>;
    };
    readonly stats: Effect.Effect<Stats>;
    readonly cluster: WholeRoom;
}
export declare const make: (session: {
    registry: import("./ClientRegistry.ts").ClientRegistry;
    noteRelayed: (address: string, bytes: Uint8Array, start: number, end: number, to?: ReadonlyArray<import("../room/Room.ts").Member>) => void;
    dismissal: ({ notice, quarantine: isWanted }: Session.DisconnectOptions) => import("../room/DisconnectReason.ts").DisconnectReason;
    run: (connection: import("../room/Connection.ts").Connection) => Effect.Effect<void>;
    beginShutdown: Effect.Effect<undefined, never, never>;
}, status: Status, cluster: WholeRoom) => Effect.Effect<Operations, never, Broadcaster | Quarantine | ServerConfig>;
