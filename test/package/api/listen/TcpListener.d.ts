import * as Effect from "effect/Effect";
import * as Schema from "effect/Schema";
import type * as Scope from "effect/Scope";
import { ClientLimits } from "../relay/ClientLimits.ts";
import type { Connection } from "../relay/Connection.ts";
import { Quarantine } from "../relay/Quarantine.ts";
import { ServerConfig } from "../ServerConfig.ts";
declare const ListenError_base: Schema.Class<ListenError, Schema.TaggedStruct<"ListenError", {
    readonly host: Schema.String;
    readonly port: Schema.Int;
    readonly code: Schema.String;
}>, import("effect/Cause").YieldableError>;
export declare class ListenError extends ListenError_base {
    get message(): string;
}
export interface BoundAddress {
    readonly host: string;
    readonly port: number;
}
export declare const make: (session: (connection: Connection) => Effect.Effect<void>) => Effect.Effect<BoundAddress, ListenError, ClientLimits | Quarantine | Scope.Scope | ServerConfig>;
export {};
