import * as Context from "effect/Context"

/** How a relay listens that is one of several threads of a process. `undefined`: it has its ports to itself. */
export const PortSharing = Context.Reference<
  | {
      /** Clients of the other threads, which take their file descriptors from the same process. */
      readonly othersUnsafe: () => number
    }
  | undefined
>("summoner-server/PortSharing", { defaultValue: () => undefined })
