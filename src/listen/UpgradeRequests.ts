import * as Effect from "effect/Effect"
import type { IncomingMessage, Server } from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import { hasEnded } from "./hasEnded.ts"

/** Bytes of a request's headers: those of browsers, with cookies, have a few thousand. */
const MAX_HEADER_BYTES = 16_384

/** How a client has begun. */
export interface Begun {
  /** `undefined`: with what is no request, or too long for one. */
  readonly request: IncomingMessage | undefined
  /** What has come behind a request for an upgrade. */
  readonly head: Uint8Array
}

const NOTHING = new Uint8Array(0)

/** Stays with the socket for good, so that it must not keep alive what is around it. */
const ignore = () => {}

/**
 * Reads the HTTP requests that WebSockets begin with. As with `TlsHandshake`, it is a server that listens nowhere which understands
 * what comes from sockets that somebody else has accepted.
 */
export class UpgradeRequests {
  readonly #http: Server
  readonly #underWay = new Map<Duplex, (begun: Effect.Effect<Begun, "gone">) => void>()

  private constructor(http: Server) {
    this.#http = http
    const finish = (socket: Duplex, request?: IncomingMessage, head: Uint8Array = NOTHING) =>
      this.#underWay.get(socket)?.(Effect.succeed({ request, head }))
    http.on("upgrade", (request, socket, head) => {
      // Whoever reads it says when.
      socket.pause()
      finish(socket, request, head)
    })
    http.on("request", (request) => finish(request.socket, request))
    http.on("clientError", (_error, socket) => finish(socket))
  }

  /** Loads what it needs only now: a server without WebSocket starts sooner without it. */
  static readonly make = Effect.map(
    Effect.promise(() => import("node:http")),
    ({ createServer }) => new UpgradeRequests(createServer({ maxHeaderSize: MAX_HEADER_BYTES }))
  )

  /**
   * Reads the first request, whatever it is for. After one for an upgrade the socket is paused, with listeners of nobody.
   *
   * @param socket paused
   * @returns fails with `"gone"` if the client has left before. Then, or when it is interrupted, `socket` has to be destroyed
   */
  read(socket: Socket): Effect.Effect<Begun, "gone"> {
    return Effect.callback((resume) => {
      if (hasEnded(socket)) return resume(Effect.fail("gone"))
      const finish = (begun: Effect.Effect<Begun, "gone">) => {
        this.#underWay.delete(socket)
        socket.off("close", onClose)
        resume(begun)
      }
      const onClose = () => finish(Effect.fail("gone"))
      this.#underWay.set(socket, finish)
      socket.on("error", ignore).once("close", onClose)
      this.#http.emit("connection", socket)
      socket.resume()
      return Effect.sync(() => this.#underWay.delete(socket))
    })
  }
}
