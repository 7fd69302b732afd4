import type { Values } from "../config/ServerConfig.ts"
import type { Arriving } from "./ClientLimits.ts"

/** Clients that have a place. */
interface ConnectionCounts {
  readonly clients: number
  readonly webSockets: number
  /** Those of the IP address of the client that arrives. */
  readonly ofIp: number
}

export const isWebSocket = ({ transport }: Arriving): boolean => transport === "websocket"

/** Whether one more client may come. */
export const hasCapacity = (
  client: Arriving,
  { clients, ofIp, webSockets }: ConnectionCounts,
  { hyper_parameters: { max_clients, max_clients_per_ip }, websocket }: Pick<Values, "hyper_parameters" | "websocket">
): boolean =>
  clients < max_clients &&
  ofIp < (max_clients_per_ip ?? Infinity) &&
  (!isWebSocket(client) || webSockets < (websocket.max_clients ?? Infinity))
