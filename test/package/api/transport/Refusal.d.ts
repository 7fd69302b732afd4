import * as Effect from "effect/Effect";
import type { Incident } from "../session/Incidents.ts";
declare const ConnectionRefused_base: new <A extends Record<string, any> = {}>(args: import("effect/Types").VoidIfEmpty<{ readonly [P in keyof A as P extends "_tag" ? never : P]: A[P]; }>) => import("effect/Cause").YieldableError & {
    readonly _tag: "ConnectionRefused";
} & Readonly<A>;
export declare class ConnectionRefused extends ConnectionRefused_base<{
    readonly incident: Incident;
}> {
    get message(): string;
}
declare const PeerGone_base: new <A extends Record<string, any> = {}>(args: import("effect/Types").VoidIfEmpty<{ readonly [P in keyof A as P extends "_tag" ? never : P]: A[P]; }>) => import("effect/Cause").YieldableError & {
    readonly _tag: "PeerGone";
} & Readonly<A>;
export declare class PeerGone extends PeerGone_base {
}
export declare const refused: (incident: Incident) => Effect.Effect<never, ConnectionRefused>;
export declare const GONE: Effect.Effect<never, PeerGone>;
export {};
