import * as Context from "effect/Context"

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
export const make = (memory: SharedArrayBuffer, thread: number): AcceptFailures => {
  const claimedBy = new Int32Array(memory)
  return {
    claimUnsafe: () => Atomics.compareExchange(claimedBy, 0, 0, thread) === 0,
    releaseUnsafe: () => void Atomics.compareExchange(claimedBy, 0, thread, 0)
  }
}

/** That of this process, unless it is a relay thread. */
export const AcceptFailures = Context.Reference<AcceptFailures>("summoner-server/AcceptFailures", {
  defaultValue: () => make(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT), 1)
})
