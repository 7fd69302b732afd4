import type * as Effect from "effect/Effect";
import * as Schema from "effect/Schema";
import type { ClientIdentity } from "../net/ClientIdentity.ts";
import type { DisconnectKind } from "./DisconnectReason.ts";
declare const ConnectionLost_base: Schema.Class<ConnectionLost, Schema.TaggedStruct<"ConnectionLost", {
    readonly code: Schema.String;
}>, import("effect/Cause").YieldableError>;
export declare class ConnectionLost extends ConnectionLost_base {
    get message(): string;
}
export interface Connection extends ClientIdentity {
    readonly pull: Effect.Effect<Uint8Array | undefined, ConnectionLost>;
    readonly writeUnsafe: (bytes: Uint8Array, batch?: Uint8Array) => boolean;
    readonly corkUnsafe: () => void;
    readonly uncorkUnsafe: () => void;
    readonly receivedBytes: () => number;
    readonly unsentBytes: () => number;
    onWritable: () => void;
    readonly endUnsafe: (kind: DisconnectKind) => void;
    readonly ended: Effect.Effect<void>;
    readonly closed: Effect.Effect<void>;
    readonly isClosedUnsafe: () => boolean;
    readonly destroyUnsafe: () => void;
}
export {};
