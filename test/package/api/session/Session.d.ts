import * as Effect from "effect/Effect";
import { ServerConfig } from "../config/ServerConfig.ts";
import { Backpressure } from "../limits/Backpressure.ts";
import { IdleTimeout } from "../limits/IdleTimeout.ts";
import { Quarantine } from "../limits/Quarantine.ts";
import { RateLimiter } from "../limits/RateLimiter.ts";
import { Broadcaster } from "../room/Broadcaster.ts";
import type { Connection } from "../room/Connection.ts";
import * as DisconnectReason from "../room/DisconnectReason.ts";
import type { Member } from "../room/Room.ts";
import { ClientRegistry } from "./ClientRegistry.ts";
export interface DisconnectOptions {
    readonly notice?: string | undefined;
    readonly quarantine?: boolean | undefined;
}
export declare const make: Effect.Effect<{
    registry: ClientRegistry;
    noteRelayed: (address: string, bytes: Uint8Array, start: number, end: number, to?: ReadonlyArray<Member>) => void;
    dismissal: ({ notice, quarantine: isWanted }: DisconnectOptions) => DisconnectReason.DisconnectReason;
    run: (connection: Connection) => Effect.Effect<void>;
    beginShutdown: Effect.Effect<undefined, never, never>;
}, never, Backpressure | Broadcaster | IdleTimeout | Quarantine | RateLimiter | import("effect/Scope").Scope | ServerConfig>;
