import type { Values } from "../config/CurrentConfig.ts"
import type { Arriving, ClientLimits } from "./ClientLimits.ts"

interface ConnectionCounts {
  readonly clients: number
  readonly webSockets: number
  /** Those of the IP address of the client that arrives. */
  readonly ofIp: number
}

export const isWebSocket = ({ transport }: Arriving): boolean => transport === "websocket"

export const hasCapacity = (
  client: Arriving,
  { clients, ofIp, webSockets }: ConnectionCounts,
  { hyper_parameters: { max_clients, max_clients_per_ip }, websocket }: Pick<Values, "hyper_parameters" | "websocket">
): boolean =>
  clients < max_clients &&
  ofIp < (max_clients_per_ip ?? Infinity) &&
  (!isWebSocket(client) || webSockets < (websocket.max_clients ?? Infinity))

/** The places of the clients of one thread. `isAllowed`: whether one more client may come. */
export const makePlaces = (
  isAllowed: (client: Arriving, counts: ConnectionCounts) => boolean
): Omit<ClientLimits["Service"], "maxClientsUnsafe"> => {
  let clients = 0
  let webSockets = 0
  const ips = new Map<string, number>()
  const countFromUnsafe = (ip: string) => ips.get(ip) ?? 0
  const change = (client: Arriving, by: number) => {
    clients += by
    if (isWebSocket(client)) webSockets += by
    const ofIp = countFromUnsafe(client.ip) + by
    if (ofIp === 0) ips.delete(client.ip)
    else ips.set(client.ip, ofIp)
  }
  return {
    countFromUnsafe,
    enterUnsafe: (client) => {
      if (!isAllowed(client, { clients, webSockets, ofIp: countFromUnsafe(client.ip) })) return false
      change(client, 1)
      return true
    },
    leaveUnsafe: (client) => change(client, -1)
  }
}
