import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { formatAddress } from "../net/IpAddress.ts"
import type { BoundAddress } from "./Listener.ts"

/** Gets told how far a server is, as a whole. By default it is logged; a process that is one of several tells the one that starts them. */
export const Lifecycle = Context.Reference<{
  /** @param webSocketUrl where WebSocket clients come, if anywhere */
  readonly listening: (address: BoundAddress, webSocketUrl: string | undefined) => Effect.Effect<void>
  /** @param clients how many are connected */
  readonly stopping: (clients: number) => Effect.Effect<void>
  readonly stopped: Effect.Effect<void>
}>("summoner-server/Lifecycle", {
  defaultValue: () => ({
    listening: ({ host, port }, webSocketUrl) =>
      Effect.andThen(
        Effect.logInfo(`listening on ${formatAddress(host, port)}`),
        webSocketUrl === undefined ? Effect.void : Effect.logInfo(`listening on ${webSocketUrl}`)
      ),
    stopping: (clients) => Effect.logInfo(`shutting down, clients connected: ${clients}`),
    stopped: Effect.logInfo("shutdown complete")
  })
})
