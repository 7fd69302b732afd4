import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { formatAddress } from "../net/IpAddress.ts"
import type { BoundAddress } from "./Listener.ts"

/** `draining`: it takes no new clients, and goes on for those that are connected. */
export type ServerState = "starting" | "ready" | "draining" | "stopping"

/** How far the server is. Start, shutdown and `drain` write it; the gate and the operations read it. */
export class ServerStatus extends Context.Service<
  ServerStatus,
  {
    state: ServerState
    /** Where it listens, from `ready` on. */
    address: BoundAddress | undefined
    /** URLs for clients, from `ready` on: `tcp://host:port` or `tls://…`, and `ws://…` or `wss://…`. */
    listeners: ReadonlyArray<string>
  }
>()("summoner-server/ServerStatus") {
  /** A server that starts. */
  static readonly layer = Layer.sync(ServerStatus, () =>
    ServerStatus.of({ state: "starting", address: undefined, listeners: [] })
  )
}

/**
 * Turns a server from `ready` to `draining`, and back. Both are in the server's log, whichever fiber asks.
 *
 * @param onTurn called with whether it drains now
 */
export const makeDrain = Effect.fnUntraced(function* (onTurn: (isDraining: boolean) => void = () => {}) {
  const status = yield* ServerStatus
  const context = yield* Effect.context<never>()
  const turn = (from: ServerState, to: ServerState, message: string) =>
    Effect.suspend(() => {
      if (status.state !== from) return Effect.void
      status.state = to
      onTurn(to === "draining")
      return Effect.provideContext(Effect.logInfo(message), context)
    })
  return {
    drain: turn("ready", "draining", "draining: no new clients"),
    undrain: turn("draining", "ready", "taking new clients again")
  }
})

/** URLs for clients. `webSocketUrl`: `undefined` if the server does not listen for WebSocket clients. `isTls`: whether the port takes TLS. */
export const listenersOf = (
  { host, port }: BoundAddress,
  webSocketUrl: string | undefined,
  isTls: boolean
): ReadonlyArray<string> => [
  `${isTls ? "tls" : "tcp"}://${formatAddress(host, port)}`,
  ...(webSocketUrl === undefined ? [] : [webSocketUrl])
]
