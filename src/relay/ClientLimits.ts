import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ServerConfig, type Values } from "../ServerConfig.ts"

/** Somebody who takes a place. */
export interface Arriving {
  readonly ip: string
  /** `tcp`, `websocket` */
  readonly transport: string
}

/** How many clients may be connected at once: in all, from one IP address, and by WebSocket. */
export class ClientLimits extends Context.Service<
  ClientLimits,
  {
    /** Takes a place for a client. `false`: there is none. */
    readonly enterUnsafe: (client: Arriving) => boolean
    /** Gives the place back. */
    readonly leaveUnsafe: (client: Arriving) => void
    /** The most clients in all; `Infinity` for no limit. */
    readonly maxClientsUnsafe: () => number
  }
>()("summoner-server/ClientLimits") {
  /** `max_clients`, `max_clients_per_ip` and `websocket.max_clients`. */
  static readonly layer = Layer.effect(
    ClientLimits,
    Effect.gen(function* () {
      const { hyper_parameters, websocket } = yield* ServerConfig
      const places = new Places()
      return ClientLimits.of({
        enterUnsafe: (client) => {
          if (!isRoomFor(client, [places], hyper_parameters, websocket)) return false
          places.change(client, 1)
          return true
        },
        leaveUnsafe: (client) => places.change(client, -1),
        maxClientsUnsafe: () => hyper_parameters.max_clients
      })
    })
  )

  /** Everybody may come in. */
  static readonly layerUnlimited = Layer.succeed(ClientLimits, {
    enterUnsafe: () => true,
    leaveUnsafe: () => {},
    maxClientsUnsafe: () => Infinity
  })
}

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
