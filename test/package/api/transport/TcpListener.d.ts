import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import type * as Scope from "effect/Scope";
import * as Net from "node:net";
import { ServerConfig } from "../config/CurrentConfig.ts";
import type { ClientIdentity } from "../net/ClientIdentity.ts";
import { type ConnectionGate, type Refusal } from "../session/ConnectionGate.ts";
import type { Incident } from "../session/Incidents.ts";
import { type BoundAddress, type ListenError, Listener } from "../session/Listener.ts";
import type { ConnectionRefused, PeerGone } from "./Refusal.ts";
import { type TlsError, TlsIdentity } from "./tls/TlsIdentity.ts";
export { ConnectionRefused, PeerGone } from "./Refusal.ts";
export declare const REFUSAL_LINGER_MILLIS = 250;
export declare const layerWith: ({ refusalLingerMillis }: {
    readonly refusalLingerMillis: number;
}) => Layer.Layer<Listener, never, ServerConfig | TlsIdentity>;
export declare const layerNoDeps: Layer.Layer<Listener, never, ServerConfig | TlsIdentity>;
export declare const layer: Layer.Layer<Listener, TlsError, ServerConfig>;
export declare const announceCapacity: (config: ServerConfig["Service"], maxClients: number) => Effect.Effect<void, never, never>;
export interface Options {
    readonly config: ServerConfig["Service"];
    readonly tls: TlsIdentity["Service"];
    readonly gate: ConnectionGate;
    readonly at: BoundAddress;
    readonly key: string;
    readonly transport: string;
    readonly isShakingHands: boolean;
    readonly refusalLingerMillis?: number;
    readonly receive: (socket: Net.Socket, client: ClientIdentity, reception: Reception) => void;
}
export interface Reception {
    readonly enter: (client: ClientIdentity) => Refusal | undefined;
    readonly refuse: (socket: Net.Socket, ip: string, incident: Incident, farewell: string | Uint8Array) => void;
    readonly wait: <A>(socket: Net.Socket, ip: string, handshake: Effect.Effect<A, ConnectionRefused | PeerGone>, proceed: (shaken: A) => void) => void;
    readonly fork: (session: Effect.Effect<void>) => void;
}
export interface CommonReception extends Pick<Reception, "enter" | "fork" | "refuse"> {
    readonly isFull: () => boolean;
    readonly othersUnsafe: () => number;
}
export declare const receptionOf: (args_0: Pick<Options, "config" | "gate" | "refusalLingerMillis">) => Effect.Effect<CommonReception, never, Scope.Scope>;
export declare const accept: (options: Options) => Effect.Effect<BoundAddress, ListenError, Scope.Scope>;
