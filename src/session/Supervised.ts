import * as Context from "effect/Context"

/** Whether another process has started this one as one of several, and says what holds for all of them alike. */
export const Supervised = Context.Reference<boolean>("summoner-server/Supervised", { defaultValue: () => false })
