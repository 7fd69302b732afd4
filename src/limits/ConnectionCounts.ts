import type { Values } from "../config/ServerConfig.ts"
import type { Arriving } from "./ClientLimits.ts"

const WEBSOCKET = "websocket"

/** Clients that have a place. */
export class Places {
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
export const isRoomFor = (
  { ip, transport }: Arriving,
  taken: ReadonlyArray<Places>,
  { max_clients, max_clients_per_ip }: Values["hyper_parameters"],
  websocket: Values["websocket"]
): boolean => {
  const sum = (of: (places: Places) => number) => taken.reduce((total, places) => total + of(places), 0)
  if (sum(({ clients }) => clients) >= max_clients) return false
  if (max_clients_per_ip !== null && sum(({ ips }) => ips.get(ip) ?? 0) >= max_clients_per_ip) return false
  const { max_clients: maxWebSockets } = websocket
  return transport !== WEBSOCKET || maxWebSockets === null || sum(({ webSockets }) => webSockets) < maxWebSockets
}
