import * as Effect from "effect/Effect"
import { readFile } from "node:fs/promises"
import type { Socket } from "node:net"
import { GONE, type PeerGone } from "../Refusal.ts"
import * as Handshake from "./WebSocketHandshake.ts"

/** The file that `npm run build` makes of `src/chat`, beside this module. */
export const FILE = "chat.json"

/** What is in it. */
export interface Built {
  readonly html: string
  readonly contentSecurityPolicy: string
}

/** The chat that the relay serves to browsers (docs/protocol.md). */
export interface ChatPage {
  /** Sends the page and ends the connection. Fails once it is closed, by the client or because it has gone. */
  readonly serve: (socket: Socket) => Effect.Effect<never, PeerGone>
}

/** Reads the page. A missing file is a fault of the package, so a defect. */
export const load: Effect.Effect<ChatPage> = Effect.promise(async () => {
  const { contentSecurityPolicy, html }: Built = JSON.parse(await readFile(new URL(FILE, import.meta.url), "utf8"))
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
})
