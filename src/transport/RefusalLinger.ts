import * as Context from "effect/Context"

/** How long a refused client may take to close its side, in milliseconds. Another one only for tests. */
export const RefusalLinger = Context.Reference<number>("summoner-server/RefusalLinger", { defaultValue: () => 250 })
