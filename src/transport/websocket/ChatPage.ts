import * as Effect from "effect/Effect"
import type { Socket } from "node:net"
import { loadBuiltPage } from "../../internal/built.ts"
import { GONE, type PeerGone } from "../Refusal.ts"
import * as Handshake from "./WebSocketHandshake.ts"

/**
 * Serves browsers the chat (docs/protocol.md): sends the page and ends the connection. Fails once it is closed, by the client or because it
 * has gone.
 */
export const load: Effect.Effect<(socket: Socket) => Effect.Effect<never, PeerGone>> = Effect.map(
  loadBuiltPage("chat"),
  ({ contentSecurityPolicy, html }) => {
    const response = Buffer.from(Handshake.pageResponse(html, contentSecurityPolicy))
    return (socket) =>
      Effect.callback((resume) => {
        if (socket.destroyed) return resume(GONE)
        const onClose = () => resume(GONE)
        socket.once("close", onClose).resume().end(response)
        return Effect.sync(() => socket.off("close", onClose))
      })
  }
)
