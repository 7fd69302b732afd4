import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Net from "node:net"
import type { BoundAddress, ListenError } from "../session/Listener.ts"

/** Where a process that is one of several has its connections from: another one listens, and hands them out. `undefined`: it listens itself. */
export const SharedPort = Context.Reference<
  | {
      /**
       * Gets connections of that address until the scope ends.
       *
       * @param key what configures it: `port`, `websocket.port`
       * @param receive gets each, paused
       */
      readonly listen: (
        at: BoundAddress,
        key: string,
        receive: (socket: Net.Socket) => void
      ) => Effect.Effect<BoundAddress, ListenError, Scope.Scope>
    }
  | undefined
>("summoner-server/SharedPort", { defaultValue: () => undefined })
