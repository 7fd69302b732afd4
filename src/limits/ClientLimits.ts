import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ServerConfig } from "../config/ServerConfig.ts"
import { hasCapacity, isWebSocket } from "./hasCapacity.ts"

/** A client that takes a place. */
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
      const config = yield* ServerConfig
      let clients = 0
      let webSockets = 0
      const ips = new Map<string, number>()
      const change = (client: Arriving, by: number) => {
        clients += by
        if (isWebSocket(client)) webSockets += by
        const ofIp = (ips.get(client.ip) ?? 0) + by
        if (ofIp === 0) ips.delete(client.ip)
        else ips.set(client.ip, ofIp)
      }
      return ClientLimits.of({
        enterUnsafe: (client) => {
          if (!hasCapacity(client, { clients, webSockets, ofIp: ips.get(client.ip) ?? 0 }, config)) return false
          change(client, 1)
          return true
        },
        leaveUnsafe: (client) => change(client, -1),
        maxClientsUnsafe: () => config.hyper_parameters.max_clients
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
