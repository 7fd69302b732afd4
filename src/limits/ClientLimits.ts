import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ServerConfig } from "../config/CurrentConfig.ts"
import type { ClientIdentity } from "../net/ClientIdentity.ts"
import { hasCapacity, makePlaces } from "./places.ts"

/** A client that takes a place. */
export type Arriving = Pick<ClientIdentity, "ip" | "transport">

/** How many clients may be connected at once: in all, from one IP address, and by WebSocket. */
export class ClientLimits extends Context.Service<
  ClientLimits,
  {
    /** Takes a place for a client. `false`: there is none. */
    readonly enterUnsafe: (client: Arriving) => boolean
    /** Gives the place back. */
    readonly leaveUnsafe: (client: Arriving) => void
    /** Clients from an IP address that have a place. */
    readonly countFromUnsafe: (ip: string) => number
    /** The most clients in all; `Infinity` for no limit. */
    readonly maxClientsUnsafe: () => number
  }
>()("summoner-server/ClientLimits") {
  /** `max_clients`, `max_clients_per_ip` and `websocket.max_clients`. */
  static readonly layer = Layer.effect(
    ClientLimits,
    Effect.map(ServerConfig, (config) => ({
      ...makePlaces((client, counts) => hasCapacity(client, counts, config)),
      maxClientsUnsafe: () => config.hyper_parameters.max_clients
    }))
  )

  /** Everybody may come in. */
  static readonly layerUnlimited = Layer.sync(ClientLimits, () => ({
    ...makePlaces(() => true),
    maxClientsUnsafe: () => Infinity
  }))
}
