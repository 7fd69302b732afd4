import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import type { ClientIdentity } from "../net/ClientIdentity.ts";
export type Suspect = Pick<ClientIdentity, "address" | "ip">;
export interface Entry {
    readonly key: string;
    readonly remainingMillis: number;
}
declare const Quarantine_base: Context.ServiceClass<Quarantine, "summoner-server/Quarantine", {
    readonly addUnsafe: (client: Suspect) => void;
    readonly remainingMillisUnsafe: (client: Suspect) => number;
    readonly addKeyUnsafe: (key: string, millis?: number) => void;
    readonly liftUnsafe: (key: string) => boolean;
    readonly listUnsafe: () => ReadonlyArray<Entry>;
    readonly cooldownMillisUnsafe: () => number;
    readonly scope: "ip" | "address" | undefined;
    readonly sizeUnsafe: () => number;
}>;
export declare class Quarantine extends Quarantine_base {
    static readonly layer: Layer.Layer<Quarantine, never, import("../config/CurrentConfig.ts").ServerConfig>;
    static readonly list: Effect.Effect<readonly Entry[], never, Quarantine>;
    static readonly add: (key: string, millis?: number) => Effect.Effect<void, never, Quarantine>;
    static readonly lift: (key: string) => Effect.Effect<boolean, never, Quarantine>;
    static readonly layerDisabled: Layer.Layer<Quarantine, never, never>;
}
export {};
