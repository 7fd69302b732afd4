import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ServerConfig } from "../ServerConfig.ts"

/** How many clients may be connected at once, in all and from one IP address. */
export class ClientLimits extends Context.Service<
  ClientLimits,
  {
    /** Takes a place for a client of this IP address. `false`: there is none. */
    readonly enterUnsafe: (ip: string) => boolean
    /** Gives the place back. */
    readonly leaveUnsafe: (ip: string) => void
    /** The most clients in all; `Infinity` for no limit. */
    readonly maxClientsUnsafe: () => number
  }
>()("summoner-server/ClientLimits") {
  /** `max_clients` and `max_clients_per_ip`. */
  static readonly layer = Layer.effect(
    ClientLimits,
    Effect.gen(function* () {
      const { hyper_parameters } = yield* ServerConfig
      const perIp = new Map<string, number>()
      let clients = 0
      return ClientLimits.of({
        enterUnsafe: (ip) => {
          const fromIp = perIp.get(ip) ?? 0
          const { max_clients, max_clients_per_ip } = hyper_parameters
          if (clients >= max_clients || (max_clients_per_ip !== null && fromIp >= max_clients_per_ip)) return false
          clients++
          perIp.set(ip, fromIp + 1)
          return true
        },
        leaveUnsafe: (ip) => {
          clients--
          const fromIp = perIp.get(ip)! - 1
          if (fromIp === 0) perIp.delete(ip)
          else perIp.set(ip, fromIp)
        },
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
