import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { ClientRegistry } from "./ClientRegistry.ts";
import type { Incident, Totals } from "./Incidents.ts";
declare const RefusalLog_base: Context.ServiceClass<RefusalLog, "summoner-server/RefusalLog", {
    readonly refusedUnsafe: (ip: string, incident: Incident) => void;
    readonly flush: Effect.Effect<void>;
}>;
export declare class RefusalLog extends RefusalLog_base {
    static readonly layer: Layer.Layer<RefusalLog, never, ClientRegistry>;
}
export declare const make: (totals: Totals) => Effect.Effect<{
    readonly refusedUnsafe: (ip: string, incident: Incident) => void;
    readonly flush: Effect.Effect<void>;
}, never, import("effect/Scope").Scope>;
export {};
