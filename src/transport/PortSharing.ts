/** What listeners of one process, which may be in several threads, have to know of each other. */
import * as Context from "effect/Context"
import type { ListeningServer } from "./ListeningServer.ts"

/** How a relay listens that is one of several threads of a process. `undefined`: it has its ports to itself. */
export const PortSharing = Context.Reference<
  | {
      /** Clients of the other threads, which take their file descriptors from the same process. */
      readonly othersUnsafe: () => number
      /** Servers that listen already, by the key that configures their port: `port`, `websocket.port`. */
      readonly listening: { readonly [key: string]: ListeningServer | undefined }
    }
  | undefined
>("summoner-server/PortSharing", { defaultValue: () => undefined })

/** Which listener logs that accepting fails, and that it works again: the first one that fails does so for all of the process. */
export interface AcceptFailures {
  /** Whether the caller is to log it: then it calls `release` when it accepts again, or ends. */
  readonly claimUnsafe: () => boolean
  readonly releaseUnsafe: () => void
}

/**
 * @param memory shared by all threads: an `Int32` that is 0, or the number of the thread whose listener logs
 * @param thread a number of this thread, from 1 on
 */
export const makeAcceptFailures = (memory: SharedArrayBuffer, thread: number): AcceptFailures => {
  const claimedBy = new Int32Array(memory)
  return {
    claimUnsafe: () => Atomics.compareExchange(claimedBy, 0, 0, thread) === 0,
    releaseUnsafe: () => void Atomics.compareExchange(claimedBy, 0, thread, 0)
  }
}

/** That of this process, unless it is a relay thread. */
export const AcceptFailures = Context.Reference<AcceptFailures>("summoner-server/AcceptFailures", {
  defaultValue: () => makeAcceptFailures(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT), 1)
})
