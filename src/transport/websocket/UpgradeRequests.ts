import * as Effect from "effect/Effect"
import type { IncomingMessage, ServerOptions } from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import { discard } from "../discard.ts"
import { hasEnded } from "../FirstBytes.ts"
import { GONE, type PeerGone } from "../Refusal.ts"
import type * as Handshake from "./WebSocketHandshake.ts"

/** Longest headers of a request, in bytes. Browsers send a few thousand, cookies included. */
const MAX_HEADER_BYTES = 16_384

/** `requireHostHeader: false`: the handshake refuses a request without a host itself. */
const OPTIONS: ServerOptions = { maxHeaderSize: MAX_HEADER_BYTES, requireHostHeader: false }

/** The first request of a client. If it asks for an upgrade, only the caller reads the socket; otherwise HTTP continues. */
export interface Begun extends Handshake.Begun {
  /** `undefined`: not HTTP, or headers too long. */
  readonly request: IncomingMessage | undefined
}

/** Module level, because it stays on the socket and must not retain a closure. */
const ignore = () => {}

/**
 * Reads the first request of a connection: the HTTP of a WebSocket handshake. As in `TlsHandshake`, a server that does not listen handles
 * accepted sockets. After an upgrade request the socket is paused, without listeners, and begins with the bytes after the request.
 *
 * @param socket unread
 * @returns the request. Fails with `PeerGone` if the client has left. The caller destroys `socket` on failure and interruption
 */
export type Read = (socket: Socket) => Effect.Effect<Begun, PeerGone>

/** Imports `node:http` on demand: a server without WebSocket starts faster. */
export const make: Effect.Effect<Read> = Effect.map(
  Effect.promise(() => import("node:http")),
  ({ createServer }) => {
    const http = createServer(OPTIONS)
    const pending = new Map<Duplex, (begun: Effect.Effect<Begun, PeerGone>) => void>()
    const finish = (socket: Duplex, request?: IncomingMessage, isUpgrade = false) =>
      pending.get(socket)?.(Effect.succeed({ request, isUpgrade }))
    http.on("upgrade", (request, upgraded, head) => {
      const { socket } = request
      // Read only on demand, by the session. `upgraded` differs if the request has a body, which no handshake has.
      socket.pause()
      if (upgraded === socket && head.length > 0) socket.unshift(head)
      finish(socket, request, true)
    })
    for (const event of ["request", "checkContinue", "checkExpectation"]) {
      http.on(event, (request: IncomingMessage) => {
        // Discards the body instead of buffering it.
        request.resume()
        // What follows is not for the parser, which would keep a response for each further request.
        discard(request.socket)
        finish(request.socket, request)
      })
    }
    http.on("clientError", (_error, socket) => finish(socket))

    return (socket) =>
      Effect.callback((resume) => {
        if (hasEnded(socket)) return resume(GONE)
        const onClose = () => finishWith(GONE)
        const finishWith = (begun: Effect.Effect<Begun, PeerGone>) => {
          pending.delete(socket)
          socket.off("close", onClose)
          resume(begun)
        }
        pending.set(socket, finishWith)
        socket.on("error", ignore).once("close", onClose)
        http.emit("connection", socket)
        socket.resume()
        return Effect.sync(() => pending.delete(socket))
      })
  }
)
