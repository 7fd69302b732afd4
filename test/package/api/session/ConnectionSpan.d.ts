import * as Clock from "effect/Clock";
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import * as Tracer from "effect/Tracer";
import type { ClientInfo } from "../room/ClientInfo.ts";
import type { Connection } from "../room/Connection.ts";
import { type DisconnectReason } from "../room/DisconnectReason.ts";
import type { Incident } from "./Incidents.ts";
export declare class ConnectionSpan {
    #private;
    constructor(span: Tracer.Span, clock: Clock.Clock);
    readonly incident: (incident: Incident, times: number) => void;
    within<A>(effect: Effect.Effect<A>): Effect.Effect<A>;
    end(info: ClientInfo | undefined, disconnectReason: DisconnectReason, exit: Exit.Exit<unknown>): void;
}
export type Trace = <A>(connection: Connection, session: (span: ConnectionSpan) => Effect.Effect<A>) => Effect.Effect<A>;
export declare const make: Effect.Effect<Trace | undefined>;
