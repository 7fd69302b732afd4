import * as Effect from "effect/Effect";
import type * as Scope from "effect/Scope";
import * as Stream from "effect/Stream";
import { CannotConnect, type ClientError, NotSent } from "./ClientError.ts";
import type { Incoming, Message } from "./Incoming.ts";
import * as Plain from "./index.ts";
export interface RelayClient {
    readonly messages: Stream.Stream<Message, ClientError>;
    readonly lines: Stream.Stream<Incoming, ClientError>;
    readonly send: (line: string | Uint8Array) => Effect.Effect<void, NotSent>;
    readonly close: (timeoutMillis?: number) => Effect.Effect<void, ClientError>;
    readonly dropped: Effect.Effect<number>;
}
export declare const connect: (url: string, options?: Omit<Plain.NodeOptions, "signal">) => Effect.Effect<RelayClient, CannotConnect, Scope.Scope>;
