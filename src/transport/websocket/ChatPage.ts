import * as Effect from "effect/Effect"
import type { Socket } from "node:net"
import * as BuiltPage from "../../internal/builtPage.ts"
import { GONE, type PeerGone } from "../Refusal.ts"
import * as Handshake from "./WebSocketHandshake.ts"

/** The chat that the relay serves to browsers (docs/protocol.md). */
export interface ChatPage {
  /** Sends the page and ends the connection. Fails once it is closed, by the client or because it has gone. */
  readonly serve: (socket: Socket) => Effect.Effect<never, PeerGone>
}

export const load: Effect.Effect<ChatPage> = Effect.map(
  BuiltPage.load("chat"),
  ({ contentSecurityPolicy, html }): ChatPage => {
    const response = Buffer.from(Handshake.pageResponse(html, contentSecurityPolicy))
    return {
      serve: (socket) =>
        Effect.callback((resume) => {
          if (socket.destroyed) return resume(GONE)
          const onClose = () => resume(GONE)
          socket.once("close", onClose).resume().end(response)
          return Effect.sync(() => socket.off("close", onClose))
        })
    }
  }
)
