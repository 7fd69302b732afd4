import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import * as Schema from "effect/Schema";
import type * as Stream from "effect/Stream";
import { Backpressure } from "./relay/Backpressure.ts";
import { Broadcaster } from "./relay/Broadcaster.ts";
import type { ClientInfo } from "./relay/Client.ts";
import { ClientLimits } from "./relay/ClientLimits.ts";
import type { Observed } from "./relay/Feed.ts";
import { IdleTimeout } from "./relay/IdleTimeout.ts";
import { type BoundAddress, Listener } from "./relay/Listener.ts";
import { type Entry, Quarantine } from "./relay/Quarantine.ts";
import { RateLimiter } from "./relay/RateLimiter.ts";
import type { ClientChange, RelayedMessage, RelayEvent, Stats } from "./relay/Roster.ts";
import { type Options, ServerConfig } from "./ServerConfig.ts";
export type { ClientInfo, ClientState } from "./relay/Client.ts";
export type { Entry } from "./relay/Quarantine.ts";
export type { Observed } from "./relay/Feed.ts";
export type { Incident, Totals } from "./relay/Incidents.ts";
export { type BoundAddress, ListenError } from "./relay/Listener.ts";
export type { ClientChange, RelayedMessage, RelayEvent, Stats } from "./relay/Roster.ts";
declare const ClientNotFound_base: Schema.Class<ClientNotFound, Schema.TaggedStruct<"ClientNotFound", {
    readonly address: Schema.String;
}>, import("effect/Cause").YieldableError>;
export declare class ClientNotFound extends ClientNotFound_base {
    get message(): string;
}
declare const MessageRejected_base: Schema.Class<MessageRejected, Schema.TaggedStruct<"MessageRejected", {
    readonly reason: Schema.Literals<readonly ["too long", "not Unicode", "not read"]>;
    readonly detail: Schema.String;
}>, import("effect/Cause").YieldableError>;
export declare class MessageRejected extends MessageRejected_base {
    get message(): string;
}
declare const QuarantineRejected_base: Schema.Class<QuarantineRejected, Schema.TaggedStruct<"QuarantineRejected", {
    readonly reason: Schema.Literals<readonly ["disabled", "not an address"]>;
    readonly detail: Schema.String;
}>, import("effect/Cause").YieldableError>;
export declare class QuarantineRejected extends QuarantineRejected_base {
    get message(): string;
}
declare const RelayServer_base: Context.ServiceClass<RelayServer, "summoner-server/RelayServer", {
    readonly address: BoundAddress;
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
    }) => Effect.Effect<void, ClientNotFound | MessageRejected>;
    readonly quarantine: {
        readonly list: Effect.Effect<ReadonlyArray<Entry>>;
        readonly add: (key: string) => Effect.Effect<void, QuarantineRejected>;
        readonly lift: (key: string) => Effect.Effect<boolean>;
    };
    readonly stats: Effect.Effect<Stats>;
}>;
export declare class RelayServer extends RelayServer_base {
    static readonly layerNoDeps: Layer.Layer<RelayServer, import("./relay/Listener.ts").ListenError, Backpressure | Broadcaster | ClientLimits | IdleTimeout | Listener | Quarantine | RateLimiter | ServerConfig>;
    static readonly layerServices: Layer.Layer<Backpressure | Broadcaster | ClientLimits | IdleTimeout | Listener | Quarantine | RateLimiter, never, ServerConfig>;
    static readonly layerConfig: Layer.Layer<RelayServer, import("./relay/Listener.ts").ListenError, ServerConfig>;
    static readonly layer: (options?: Options) => Layer.Layer<RelayServer, import("./ConfigReport.ts").ConfigError | import("./relay/Listener.ts").ListenError, never>;
}
