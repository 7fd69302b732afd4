import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import type * as Scope from "effect/Scope";
import { ServerConfig } from "../config/CurrentConfig.ts";
import type { Distribution } from "../internal/Histogram.ts";
import type { Bus } from "./Bus.ts";
import type { Connection } from "./Connection.ts";
import { Member, type Sender } from "./Room.ts";
export { Member, Sender } from "./Room.ts";
export interface MemberEvents {
    readonly onOverflow: () => void;
    readonly onDropped: (messages: number) => void;
    readonly onStalled: () => void;
    readonly onCaughtUp: () => void;
}
export interface Publish {
    (sender: Sender, bytes: Uint8Array, start: number, end: number, isConstant?: boolean): boolean;
    readonly lines?: (sender: Sender, bytes: Uint8Array, start: number, end: number, accept: (lines: number) => number) => number;
}
declare const Broadcaster_base: Context.ServiceClass<Broadcaster, "summoner-server/Broadcaster", {
    readonly memberUnsafe: (connection: Connection, events: MemberEvents) => Member;
    readonly joinUnsafe: (member: Member) => void;
    readonly leaveUnsafe: (member: Member) => void;
    readonly sizeUnsafe: () => number;
    readonly publishUnsafe: Publish;
    readonly publishToUnsafe: (recipients: ReadonlyArray<Member>, sender: Sender, bytes: Uint8Array, start: number, end: number) => boolean;
    readonly members: Iterable<Member>;
    readonly flushUnsafe: () => void;
    readonly isCongestedUnsafe: () => boolean;
    readonly uncongested: Effect.Effect<void>;
    readonly distributions: Effect.Effect<{
        readonly fanOut: Distribution;
        readonly latencyMicros: Distribution;
    }>;
    readonly connect: (bus: Bus["Service"]) => Effect.Effect<void, never, Scope.Scope>;
}>;
export declare class Broadcaster extends Broadcaster_base {
    static readonly layer: Layer.Layer<Broadcaster, never, ServerConfig>;
}
