import * as Context from "effect/Context"

/** How a relay listens that is one of several threads of a process. `undefined`: it has its ports to itself. */
export const PortSharing = Context.Reference<
  | {
      /** Clients of the other threads, which take their file descriptors from the same process. */
      readonly othersUnsafe: () => number
      /** Whether this thread is to log that accepting fails, or works again: one of them does so for all. */
      readonly speaksUnsafe: (isFailing: boolean) => boolean
    }
  | undefined
>("summoner-server/PortSharing", { defaultValue: () => undefined })
