import * as Effect from "effect/Effect";
import { type Arriving, ClientLimits } from "../limits/ClientLimits.ts";
import { Quarantine, type Suspect } from "../limits/Quarantine.ts";
import type { Connection } from "../room/Connection.ts";
import type * as Incidents from "./Incidents.ts";
export interface Refusal {
    readonly incident: Incidents.Incident;
    readonly notice: string;
}
export declare const FULL: Refusal;
export interface ConnectionGate {
    readonly checkUnsafe: (client: Suspect & Arriving) => Refusal | undefined;
    readonly enterUnsafe: (client: Suspect & Arriving) => Refusal | undefined;
    readonly session: (connection: Connection) => Effect.Effect<void>;
    readonly refusedUnsafe: (ip: string, incident: Incidents.Incident) => void;
    readonly clientsUnsafe: () => number;
    readonly maxClientsUnsafe: () => number;
}
export declare const make: (session: (connection: Connection) => Effect.Effect<void>, totals: Incidents.Totals, isDraining: () => boolean) => Effect.Effect<ConnectionGate, never, ClientLimits | Quarantine | import("effect/Scope").Scope>;
