import type * as Duration from "effect/Duration";
import * as Effect from "effect/Effect";
import type * as Scope from "effect/Scope";
import type { ClientIdentity } from "../net/ClientIdentity.ts";
import type { DisconnectOptions } from "../room/DisconnectReason.ts";
import type { Group } from "./Group.ts";
export type { ClientIdentity as Sender } from "../net/ClientIdentity.ts";
export { Group } from "./Group.ts";
export interface Relay {
    readonly _tag: "Relay";
    readonly content?: string | undefined;
    readonly to?: Group | ((address: string) => boolean) | undefined;
}
export interface Refuse {
    readonly _tag: "Refuse";
    readonly notice?: string | undefined;
}
export interface Disconnect extends DisconnectOptions {
    readonly _tag: "Disconnect";
}
export interface Admit {
    readonly _tag: "Admit";
    readonly notice?: string | undefined;
}
export type Decision = Relay | Refuse | Disconnect | Admit;
export declare const relay: (options?: Omit<Relay, "_tag">) => Relay;
export declare const refuse: (notice?: string) => Refuse;
export declare const disconnect: (options?: DisconnectOptions) => Disconnect;
export declare const admit: (notice?: string) => Admit;
export type Gate = (line: string) => Effect.Effect<Decision>;
export interface Hold<G = Gate> {
    readonly _tag: "Hold";
    readonly gate: G;
    readonly within: Duration.Input;
    readonly notice: string | undefined;
}
export declare const hold: <G extends Gate | PlainGate>(gate: G, options?: {
    readonly within?: Duration.Input | undefined;
    readonly notice?: string | undefined;
}) => Hold<G>;
export type Arrival<G = Gate> = G | Hold<G> | Disconnect;
export type Open = (client: ClientIdentity) => Effect.Effect<Arrival, never, Scope.Scope>;
export declare const gate: (decide: (line: string, client: ClientIdentity) => Effect.Effect<Decision>) => Open;
export type PlainGate = (line: string) => Decision | Promise<Decision>;
export type PlainOpen = (client: ClientIdentity, signal: AbortSignal) => Arrival<PlainGate> | Promise<Arrival<PlainGate>>;
export declare const fromPlain: (open: PlainOpen) => Open;
