import * as Effect from "effect/Effect"
import type { IncomingMessage, Server, ServerOptions } from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import { hasEnded } from "../hasEnded.ts"
import { GONE, type PeerGone } from "../Refusal.ts"

/** Bytes of a request's headers: those of browsers, with cookies, have a few thousand. */
const MAX_HEADER_BYTES = 16_384

/** A request without a host is answered as others of no use are. */
const OPTIONS: ServerOptions = { maxHeaderSize: MAX_HEADER_BYTES, requireHostHeader: false }

/** How a client has begun. */
export interface Begun {
  /** `undefined`: with what is no request, or too long for one. */
  readonly request: IncomingMessage | undefined
  /** Whether it asks for an upgrade: then nobody but the caller reads the socket any more, else HTTP goes on. */
  readonly isUpgrade: boolean
}

/** Stays with the socket for good, so that it must not keep alive what is around it. */
const ignore = () => {}

/**
 * Reads the HTTP requests that WebSockets begin with. As with `TlsHandshake`, it is a server that listens nowhere which understands
 * what comes from sockets that somebody else has accepted.
 */
export class UpgradeRequests {
  readonly #http: Server
  readonly #underWay = new Map<Duplex, (begun: Effect.Effect<Begun, PeerGone>) => void>()

  private constructor(http: Server) {
    this.#http = http
    const finish = (socket: Duplex, request?: IncomingMessage, isUpgrade = false) =>
      this.#underWay.get(socket)?.(Effect.succeed({ request, isUpgrade }))
    http.on("upgrade", (request, upgraded, head) => {
      const { socket } = request
      // Whoever reads it says when. The socket is another one if a body comes first, which no handshake has.
      socket.pause()
      if (upgraded === socket && head.length > 0) socket.unshift(head)
      finish(socket, request, true)
    })
    for (const event of ["request", "checkContinue", "checkExpectation"]) {
      http.on(event, (request: IncomingMessage) => {
        // Whatever it announces as its body is nobody's: it must not be kept.
        request.resume()
        finish(request.socket, request)
      })
    }
    http.on("clientError", (_error, socket) => finish(socket))
  }

  /** Loads what it needs only now: a server without WebSocket starts sooner without it. */
  static readonly make = Effect.map(
    Effect.promise(() => import("node:http")),
    ({ createServer }) => new UpgradeRequests(createServer(OPTIONS))
  )

  /**
   * Reads the first request, whatever it is for. After one for an upgrade the socket is paused, with listeners of
   * nobody, and what has come behind the request is read first.
   *
   * @param socket paused
   * @returns fails with `PeerGone` if the client has left before. Then, or when it is interrupted, `socket` has to be destroyed
   */
  read(socket: Socket): Effect.Effect<Begun, PeerGone> {
    return Effect.callback((resume) => {
      if (hasEnded(socket)) return resume(GONE)
      const finish = (begun: Effect.Effect<Begun, PeerGone>) => {
        this.#underWay.delete(socket)
        socket.off("close", onClose)
        resume(begun)
      }
      const onClose = () => finish(GONE)
      this.#underWay.set(socket, finish)
      socket.on("error", ignore).once("close", onClose)
      this.#http.emit("connection", socket)
      socket.resume()
      return Effect.sync(() => this.#underWay.delete(socket))
    })
  }
}
