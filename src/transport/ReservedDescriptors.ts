import * as Context from "effect/Context"

/** For log files, the event loop, and whatever the host program has open. */
export const RESERVED_DESCRIPTORS = 32

/** File descriptors that clients may not take. */
export const ReservedDescriptors = Context.Reference<number>("summoner-server/ReservedDescriptors", {
  defaultValue: () => RESERVED_DESCRIPTORS
})
