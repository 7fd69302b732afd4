import * as Context from "effect/Context";
import * as Layer from "effect/Layer";
import { ServerConfig } from "../ServerConfig.ts";
declare const ClientLimits_base: Context.ServiceClass<ClientLimits, "summoner-server/ClientLimits", {
    readonly enterUnsafe: (ip: string) => boolean;
    readonly leaveUnsafe: (ip: string) => void;
    readonly maxClientsUnsafe: () => number;
}>;
export declare class ClientLimits extends ClientLimits_base {
    static readonly layer: Layer.Layer<ClientLimits, never, ServerConfig>;
    static readonly layerUnlimited: Layer.Layer<ClientLimits, never, never>;
}
export {};
