/** `summoner-server/client` in browsers: WebSocket only, without Effect, without Node.js. */
import { Client, type Options } from "./Client.ts"
import * as WebSocketTransport from "./WebSocketTransport.ts"

export { Client } from "./Client.ts"
export type { Options, Reconnect, Status } from "./Client.ts"
export { CannotConnect, Disconnected, NotSent } from "./ClientError.ts"
export type { ClientError } from "./ClientError.ts"
export type { Incoming, Message, Notice, Truncated } from "./Incoming.ts"

/**
 * Connects to a relay.
 *
 * @param url `ws://host:port/` or `wss://host:port/`
 * @returns resolves when there is a connection, as `connect` for Node.js does. Rejects with `CannotConnect`, with a `TypeError` for another
 *   URL, and with the reason of `options.signal`
 */
export const connect = async (url: string, options: Options = {}): Promise<Client> =>
  Client.connect(WebSocketTransport.open, WebSocketTransport.check(url, options), options)
