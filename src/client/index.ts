/**
 * A client of a relay for TypeScript programs, without Effect: `summoner-server/client`. A bundler for browsers takes `browser.ts` in
 * place of this file.
 */
import type { ConnectionOptions } from "node:tls"
import { Client, type Options } from "./Client.ts"
import * as SocketTransport from "./SocketTransport.ts"
import * as Target from "./Target.ts"
import type { Open } from "./Transport.ts"
import * as WebSocketTransport from "./WebSocketTransport.ts"

export { Client } from "./Client.ts"
export type { Options, Reconnect, Status } from "./Client.ts"
export { CannotConnect, Disconnected, NotSent } from "./ClientError.ts"
export type { ClientError } from "./ClientError.ts"
export type { Incoming, Message, Notice, Truncated } from "./Incoming.ts"

/** Options of a client on Node.js. */
export interface NodeOptions extends Options {
  /** For `tls://`: authorities, a certificate of the client, … For `wss://` Node.js takes authorities from `NODE_EXTRA_CA_CERTS`. */
  readonly tls?: ConnectionOptions | undefined
}

/**
 * Connects to a relay.
 *
 * @param url `tcp://host:port`, `tls://host:port`, `ws://host:port/` or `wss://host:port/`. Port 8888 and host 127.0.0.1 may be left
 *   out of the first two
 * @returns resolves when there is a connection, shortly before the server lets the client in or refuses it: lines that others send until
 *   then do not reach it, a refusal comes by `onNotice`. An answer to a line of its own says that it is in. Rejects with `CannotConnect`,
 *   with a `TypeError` for another URL or an option that has no effect on it, and with the reason of `options.signal`
 */
export const connect = async (url: string, options: NodeOptions = {}): Promise<Client> => {
  if (/^wss?:/.test(url)) {
    if (options.tls !== undefined) throw new TypeError("tls is for tls:// only; wss:// takes NODE_EXTRA_CA_CERTS")
    return Client.connect(openWebSocket, WebSocketTransport.check(url, options), options)
  }
  const target = Target.parseUrl(url)
  if (target === undefined) throw new TypeError(`${JSON.stringify(url)} is no URL of a relay; expected tcp://host:port`)
  if (!target.isTls && options.tls !== undefined) throw new TypeError("tls is for tls:// only")
  return Client.connect(SocketTransport.open(options.tls), url, options)
}

/** The `WebSocket` of Node.js does not tell why it failed, so a socket to the same place has to. */
const openWebSocket: Open = async (url, handlers, signal) => {
  try {
    return await WebSocketTransport.open(url, handlers, signal)
  } catch (error) {
    const { hostname, port, protocol } = new URL(url)
    const place = protocol === "wss:" ? `tls://${hostname}:${port || 443}` : `tcp://${hostname}:${port || 80}`
    const ignored = { onLine: () => {}, onWritable: () => {}, onClose: () => {} }
    const socket = await SocketTransport.open()(place, ignored, signal)
    socket.destroy()
    throw error
  }
}
