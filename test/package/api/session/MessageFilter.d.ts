import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import type * as Scope from "effect/Scope";
export type Decision = {
    readonly _tag: "Relay";
    readonly content?: string | undefined;
    readonly to?: ((address: string) => boolean) | undefined;
} | {
    readonly _tag: "Refuse";
    readonly notice?: string | undefined;
} | {
    readonly _tag: "Disconnect";
    readonly notice?: string | undefined;
    readonly quarantine?: boolean | undefined;
};
export declare const relay: (options?: {
    readonly content?: string | undefined;
    readonly to?: ((address: string) => boolean) | undefined;
}) => Decision;
export declare const refuse: (notice?: string) => Decision;
export declare const disconnect: (options?: {
    readonly notice?: string | undefined;
    readonly quarantine?: boolean | undefined;
}) => Decision;
export interface Sender {
    readonly address: string;
    readonly ip: string;
    readonly transport: string;
    readonly subject?: string | undefined;
}
export type Gate = (line: string) => Effect.Effect<Decision>;
export type Open = (client: Sender) => Effect.Effect<Gate, never, Scope.Scope>;
export declare const MessageFilter: Context.Reference<Open | undefined>;
export declare const layerGate: (decide: (line: string, client: Sender) => Effect.Effect<Decision>) => Layer.Layer<never>;
export declare const layer: (open: Open) => Layer.Layer<never>;
export declare const layerEffect: <E, R>(open: Effect.Effect<Open, E, R>) => Layer.Layer<never, E, Exclude<R, Scope.Scope>>;
