import * as Context from "effect/Context";
import type * as Effect from "effect/Effect";
import * as Schema from "effect/Schema";
import type * as Scope from "effect/Scope";
import type { ConnectionGate } from "./ConnectionGate.ts";
export type { ConnectionGate, Refusal } from "./ConnectionGate.ts";
export { type Affected, define as defineIncident, type Incident } from "./Incidents.ts";
declare const ListenError_base: Schema.Class<ListenError, Schema.TaggedStruct<"ListenError", {
    readonly host: Schema.String;
    readonly port: Schema.Int;
    readonly code: Schema.String;
    readonly key: Schema.optionalKey<Schema.String>;
}>, import("effect/Cause").YieldableError>;
export declare class ListenError extends ListenError_base {
    get message(): string;
}
export interface BoundAddress {
    readonly host: string;
    readonly port: number;
}
declare const Listener_base: Context.ServiceClass<Listener, "summoner-server/Listener", {
    readonly listen: (gate: ConnectionGate) => Effect.Effect<BoundAddress, ListenError, Scope.Scope>;
}>;
export declare class Listener extends Listener_base {
}
