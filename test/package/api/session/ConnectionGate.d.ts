import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import type * as Latch from "effect/Latch";
import * as Layer from "effect/Layer";
import { ClientLimits } from "../limits/ClientLimits.ts";
import { Quarantine } from "../limits/Quarantine.ts";
import type { ClientIdentity } from "../net/ClientIdentity.ts";
import type { Connection } from "../room/Connection.ts";
import * as Incidents from "./Incidents.ts";
import { RefusalLog } from "./RefusalLog.ts";
import { ServerStatus } from "./ServerStatus.ts";
import { Session } from "./Session.ts";
export interface Refusal {
    readonly incident: Incidents.Incident;
    readonly notice: string;
}
export declare const FULL: Refusal;
export declare const Opening: Context.Reference<Latch.Latch | undefined>;
export interface ConnectionGate {
    readonly opened: Effect.Effect<void> | undefined;
    readonly checkUnsafe: (client: ClientIdentity) => Refusal | undefined;
    readonly enterUnsafe: (client: ClientIdentity) => Refusal | undefined;
    readonly session: (connection: Connection) => Effect.Effect<void>;
    readonly flushUnsafe: () => void;
    readonly isHeldUnsafe: (address: string) => boolean;
    readonly refusedUnsafe: (ip: string, incident: Incidents.Incident) => void;
    readonly clientsUnsafe: () => number;
    readonly maxClientsUnsafe: () => number;
}
export declare const ConnectionGate: Context.Service<ConnectionGate, ConnectionGate>;
export declare const layer: Layer.Layer<ConnectionGate, never, ClientLimits | Quarantine | RefusalLog | ServerStatus | Session>;
