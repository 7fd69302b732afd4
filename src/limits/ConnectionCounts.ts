import type { Values } from "../config/ServerConfig.ts"

/** Somebody who takes a place. */
export interface Arriving {
  readonly ip: string
  /** `tcp`, `websocket` */
  readonly transport: string
}

const WEBSOCKET = "websocket"

/** Clients that have a place. */
export class ConnectionCounts {
  clients = 0
  webSockets = 0
  readonly ips = new Map<string, number>()

  /** @param by how many come, or, negative, go */
  change({ ip, transport }: Arriving, by: number): void {
    this.clients += by
    if (transport === WEBSOCKET) this.webSockets += by
    const ofIp = (this.ips.get(ip) ?? 0) + by
    if (ofIp === 0) this.ips.delete(ip)
    else this.ips.set(ip, ofIp)
  }
}

/**
 * Whether one more may come.
 *
 * @param taken by others, wherever they are
 */
export const hasCapacity = (
  { ip, transport }: Arriving,
  taken: ReadonlyArray<ConnectionCounts>,
  { max_clients, max_clients_per_ip }: Values["hyper_parameters"],
  websocket: Values["websocket"]
): boolean => {
  const sum = (of: (counts: ConnectionCounts) => number) => taken.reduce((total, counts) => total + of(counts), 0)
  if (sum(({ clients }) => clients) >= max_clients) return false
  if (max_clients_per_ip !== null && sum(({ ips }) => ips.get(ip) ?? 0) >= max_clients_per_ip) return false
  const { max_clients: maxWebSockets } = websocket
  return transport !== WEBSOCKET || maxWebSockets === null || sum(({ webSockets }) => webSockets) < maxWebSockets
}
