import * as Layer from "effect/Layer"
import { ClientLimits } from "../limits/ClientLimits.ts"

/**
 * So many places, whoever comes.
 *
 * @param places how many clients may be in the room at once, whatever their addresses
 */
export const layer = (places: number): Layer.Layer<ClientLimits> =>
  Layer.sync(ClientLimits, () => {
    let left = places
    return ClientLimits.of({
      enterUnsafe: () => {
        if (left === 0) return false
        left--
        return true
      },
      leaveUnsafe: () => void left++,
      maxClientsUnsafe: () => places
    })
  })
