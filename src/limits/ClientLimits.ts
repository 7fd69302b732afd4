import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ServerConfig } from "../config/ServerConfig.ts"
import { type Arriving, ConnectionCounts, hasCapacity } from "./ConnectionCounts.ts"

export type { Arriving } from "./ConnectionCounts.ts"

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
      const counts = new ConnectionCounts()
      return ClientLimits.of({
        enterUnsafe: (client) => {
          if (!hasCapacity(client, [counts], hyper_parameters, websocket)) return false
          counts.change(client, 1)
          return true
        },
        leaveUnsafe: (client) => counts.change(client, -1),
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
