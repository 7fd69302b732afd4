import type { AdminMount } from "./admin/AdminMount.ts";
import type { Entry } from "./limits/Quarantine.ts";
import * as MessageFilter from "./session/MessageFilter.ts";
import { type Setup } from "./RelayServer.ts";
import type { ClientInfo, ClientState } from "./room/ClientInfo.ts";
import type { DisconnectKind, DisconnectOptions } from "./room/DisconnectReason.ts";
import type { Stats } from "./session/ClientRegistry.ts";
import type { BoundAddress } from "./session/Listener.ts";
import type { BroadcastOptions, ServerState } from "./session/Operations.ts";
import type { WebSocketMount } from "./transport/websocket/WebSocketMount.ts";
export type { BoundAddress, BroadcastOptions, ClientInfo, ClientState, Entry, ServerState, Stats };
export interface RunOptions extends Pick<Setup, "environment"> {
    readonly host?: string | undefined;
    readonly port?: number | undefined;
    readonly configPath?: string | undefined;
    readonly configDict?: object | undefined;
    readonly messageFilter?: MessageFilter.PlainOpen | undefined;
    readonly adminMount?: AdminMount | undefined;
    readonly webSocketMount?: WebSocketMount | undefined;
    readonly startsClosed?: boolean | undefined;
}
export type ServerEvent = {
    readonly type: "message";
    readonly address: string;
    readonly content: string;
    readonly to?: ReadonlyArray<string> | undefined;
    readonly missed: number;
} | {
    readonly type: "connected";
    readonly client: ClientInfo;
    readonly missed: number;
} | {
    readonly type: "stateChanged";
    readonly client: ClientInfo;
    readonly from: ClientState;
    readonly missed: number;
} | {
    readonly type: "disconnected";
    readonly client: ClientInfo;
    readonly kind: DisconnectKind;
    readonly reason: string;
    readonly missed: number;
};
export declare class SummonerServer implements AsyncDisposable {
    #private;
    readonly name: string;
    constructor(name?: string);
    run(options?: RunOptions): Promise<void>;
    start(options?: RunOptions): Promise<void>;
    shutdown(): Promise<void>;
    [Symbol.asyncDispose](): Promise<void>;
    get address(): BoundAddress;
    get webSocketUrl(): string | undefined;
    open(): void;
    get adminAddress(): BoundAddress | undefined;
    get state(): ServerState;
    drain(): void;
    undrain(): void;
    get clients(): ReadonlyArray<ClientInfo>;
    get stats(): Stats;
    get events(): AsyncIterable<ServerEvent>;
    broadcast(content: string, options?: BroadcastOptions): Promise<void>;
    send(address: string, notice: string): Promise<void>;
    disconnect(address: string, options?: DisconnectOptions): Promise<void>;
    get quarantine(): {
        readonly list: () => ReadonlyArray<Entry>;
        readonly add: (key: string) => void;
        readonly lift: (key: string) => boolean;
    };
}
