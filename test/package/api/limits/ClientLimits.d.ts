import * as Context from "effect/Context";
import * as Layer from "effect/Layer";
import { ServerConfig } from "../config/ServerConfig.ts";
export interface Arriving {
    readonly ip: string;
    readonly transport: string;
}
declare const ClientLimits_base: Context.ServiceClass<ClientLimits, "summoner-server/ClientLimits", {
    readonly enterUnsafe: (client: Arriving) => boolean;
    readonly leaveUnsafe: (client: Arriving) => void;
    readonly maxClientsUnsafe: () => number;
}>;
export declare class ClientLimits extends ClientLimits_base {
    static readonly layer: Layer.Layer<ClientLimits, never, ServerConfig>;
    static readonly layerUnlimited: Layer.Layer<ClientLimits, never, never>;
}
export {};
