import type { ServerConfig } from "../config/CurrentConfig.ts";
import type { Chunk } from "./Outbox.ts";
export type HistoryLimits = ServerConfig["Service"]["history"];
export type BacklogLimits = Pick<ServerConfig["Service"]["hyper_parameters"]["slow_consumer"], "soft_limit_bytes">;
export declare class History {
    #private;
    constructor(limits: HistoryLimits, backlog: BacklogLimits);
    get isOn(): boolean;
    get bytes(): number;
    add(chunk: Chunk, nowMillis: number): void;
    chunks(nowMillis: number): ReadonlyArray<Chunk>;
}
