import type { ConnectionOptions } from "node:tls";
import { Client, type Options } from "./Client.ts";
export { Client } from "./Client.ts";
export type { Options, Reconnect, Status } from "./Client.ts";
export { CannotConnect, Disconnected, NotSent } from "./ClientError.ts";
export type { ClientError } from "./ClientError.ts";
export type { Incoming, Message, Notice, Truncated } from "./Incoming.ts";
export interface NodeOptions extends Options {
    readonly tls?: ConnectionOptions | undefined;
}
export declare const connect: (url: string, options?: NodeOptions) => Promise<Client>;
