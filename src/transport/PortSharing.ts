import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

/** How a relay listens that is one of several threads of a process. `undefined`: it has its ports to itself. */
export const PortSharing = Context.Reference<
  | {
      /** Done when connections may be received. They are accepted from the beginning, and wait. */
      readonly opened: Effect.Effect<void>
      /** Clients of the other threads, which take their file descriptors from the same process. */
      readonly othersUnsafe: () => number
    }
  | undefined
>("summoner-server/PortSharing", { defaultValue: () => undefined })
