import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { IsAnnouncement } from "../logging/RelayLogger.ts"
import { formatAddress } from "../net/IpAddress.ts"
import type { BoundAddress } from "./Listener.ts"

/** Announces how far a server is. */
export class Lifecycle extends Context.Service<
  Lifecycle,
  {
    /**
     * It takes clients.
     *
     * @param webSocketUrl where WebSocket clients connect, if anywhere
     * @param parts names of the parts that the program has given instead of the standard ones
     */
    readonly listening: (
      address: BoundAddress,
      webSocketUrl: string | undefined,
      parts: ReadonlyArray<string>
    ) => Effect.Effect<void>
    /**
     * It takes no more, and ends those that are connected.
     *
     * @param clients how many are connected
     */
    readonly stopping: (clients: number) => Effect.Effect<void>
    /** All clients have gone. */
    readonly stopped: Effect.Effect<void>
  }
>()("summoner-server/Lifecycle") {
  /** Writes it to the log. */
  static readonly layer = Layer.succeed(Lifecycle, {
    listening: ({ host, port }, webSocketUrl, parts) =>
      Effect.andThen(
        parts.length === 0
          ? Effect.logInfo(`listening on ${formatAddress(host, port)}`)
          : Effect.logInfo(`listening on ${formatAddress(host, port)}, with parts of the program: ${parts.join(", ")}`),
        webSocketUrl === undefined ? Effect.void : Effect.logInfo(`listening on ${webSocketUrl}`)
      ).pipe(Effect.provideService(IsAnnouncement, true)),
    stopping: (clients) =>
      Effect.annotateLogs(Effect.logInfo(`shutting down, clients connected: ${clients}`), {
        "summoner.clients": clients
      }),
    stopped: Effect.logInfo("shutdown complete")
  })
}
