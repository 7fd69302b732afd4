import * as Context from "effect/Context";
import * as Layer from "effect/Layer";
import { ServerConfig } from "../config/CurrentConfig.ts";
import type { ClientIdentity } from "../net/ClientIdentity.ts";
export type Arriving = Pick<ClientIdentity, "ip" | "transport">;
declare const ClientLimits_base: Context.ServiceClass<ClientLimits, "summoner-server/ClientLimits", {
    readonly enterUnsafe: (client: Arriving) => boolean;
    readonly leaveUnsafe: (client: Arriving) => void;
    readonly countFromUnsafe: (ip: string) => number;
    readonly maxClientsUnsafe: () => number;
}>;
export declare class ClientLimits extends ClientLimits_base {
    static readonly layer: Layer.Layer<ClientLimits, never, ServerConfig>;
    static readonly layerUnlimited: Layer.Layer<ClientLimits, never, never>;
}
export {};
