import type { Values } from "../config/ServerConfig.ts";
export interface Arriving {
    readonly ip: string;
    readonly transport: string;
}
export declare class ConnectionCounts {
    clients: number;
    webSockets: number;
    readonly ips: Map<string, number>;
    change({ ip, transport }: Arriving, by: number): void;
}
export declare const hasCapacity: ({ ip, transport }: Arriving, taken: ReadonlyArray<ConnectionCounts>, { max_clients, max_clients_per_ip }: Values["hyper_parameters"], websocket: Values["websocket"]) => boolean;
