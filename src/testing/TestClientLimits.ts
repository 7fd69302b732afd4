import * as Layer from "effect/Layer"
import { ClientLimits } from "../limits/ClientLimits.ts"
import { makePlaces } from "../limits/places.ts"

/**
 * A limit on all clients together, without one per IP address.
 *
 * @param maxClients the most clients in the room
 */
export const layer = (maxClients: number): Layer.Layer<ClientLimits> =>
  Layer.sync(ClientLimits, () => ({
    ...makePlaces((_, { clients }) => clients < maxClients),
    maxClientsUnsafe: () => maxClients
  }))
