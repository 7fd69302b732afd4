import * as Context from "effect/Context"

/**
 * Whether the port is one that several processes of `node:cluster` share. The primary hands out connections in turn, and says what holds for
 * all of them alike.
 */
export const SharedPort = Context.Reference<boolean>("summoner-server/SharedPort", { defaultValue: () => false })
