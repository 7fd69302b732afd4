import * as Effect from "effect/Effect";
import { ServerConfig } from "../config/ServerConfig.ts";
import { Backpressure } from "../limits/Backpressure.ts";
import { Broadcaster } from "../room/Broadcaster.ts";
import type { Connection } from "../room/Connection.ts";
import * as Departure from "../room/DisconnectReason.ts";
import { IdleTimeout } from "../limits/IdleTimeout.ts";
import { Quarantine } from "../limits/Quarantine.ts";
import { RateLimiter } from "../limits/RateLimiter.ts";
import type { Member } from "../room/Room.ts";
import { Roster } from "./ClientRegistry.ts";
export interface Dismissal {
    readonly notice?: string | undefined;
    readonly quarantine?: boolean | undefined;
}
export declare const make: Effect.Effect<{
    roster: Roster;
    noteRelayed: (address: string, bytes: Uint8Array, start: number, end: number, to?: ReadonlyArray<Member>) => void;
    dismissal: ({ notice, quarantine: isWanted }: Dismissal) => Departure.Departure;
    run: (connection: Connection) => Effect.Effect<void>;
    beginShutdown: Effect.Effect<undefined, never, never>;
}, never, Backpressure | Broadcaster | IdleTimeout | Quarantine | RateLimiter | import("effect/Scope").Scope | ServerConfig>;
