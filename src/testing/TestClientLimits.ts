import * as Layer from "effect/Layer"
import { ClientLimits } from "../limits/ClientLimits.ts"

/**
 * A limit on all clients together, without one per IP address.
 *
 * @param maxClients the most clients in the room
 */
export const layer = (maxClients: number): Layer.Layer<ClientLimits> =>
  Layer.sync(ClientLimits, () => {
    let left = maxClients
    return ClientLimits.of({
      enterUnsafe: () => {
        if (left === 0) return false
        left--
        return true
      },
      leaveUnsafe: () => void left++,
      maxClientsUnsafe: () => maxClients
    })
  })
