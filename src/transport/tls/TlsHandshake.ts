import * as Effect from "effect/Effect"
import type * as Net from "node:net"
import type * as Tls from "node:tls"
import * as Incidents from "../../session/Incidents.ts"
import * as FirstBytes from "../FirstBytes.ts"
import { hasEnded } from "../FirstBytes.ts"
import { type ConnectionRefused, type PeerGone, refused } from "../Refusal.ts"
import { HANDSHAKE_RECORD } from "./ClientHello.ts"
import * as CloseNotify from "./CloseNotify.ts"
import { type Identity, subjectOf } from "./TlsIdentity.ts"

export const PLAIN_TEXT = Incidents.define("connection", "plain_on_tls_port", "plain text on the TLS port")
export const HANDSHAKE_FAILED = Incidents.define("connection", "tls_handshake", "TLS handshake failed")

/** The handshake for the current identity. `identity`: changes with a reload; `undefined` while TLS is off. */
export const latest = (identity: () => Identity | undefined): (() => TlsHandshake | undefined) => {
  let last: { readonly identity: Identity; readonly handshake: TlsHandshake } | undefined
  return () => {
    const current = identity()
    if (current === undefined) return undefined
    if (last?.identity !== current) last = { identity: current, handshake: new TlsHandshake(current) }
    return last.handshake
  }
}

export interface Secured {
  /** Unread, without listeners. */
  readonly socket: Tls.TLSSocket
  /** Subject of the verified client certificate, if any. */
  readonly subject: string | undefined
}

/**
 * The server side of handshakes with one identity.
 *
 * A `tls.Server` that does not listen is the public API for a handshake on an accepted socket with client certificates. It does not tell
 * which plain socket a TLS socket belongs to, so sockets are matched by the addresses of both ends.
 */
export class TlsHandshake {
  readonly #identity: Identity
  readonly #server: Tls.Server
  /** By the addresses of both ends. */
  readonly #pending = new Map<string, (result: Effect.Effect<Secured, ConnectionRefused>) => void>()

  constructor(identity: Identity) {
    this.#identity = identity
    this.#server = process.getBuiltinModule("node:tls").createServer(identity.options)
    this.#server.on("secureConnection", (socket) => {
      socket.allowHalfOpen = true
      CloseNotify.watch(socket)
      const finish = this.#pending.get(endsOf(socket))
      // A connection that was reset has no remote address, and reports nothing while nobody reads it.
      if (finish === undefined) return void socket.destroy()
      finish(this.#resultOf(socket))
    })
  }

  /**
   * Secures a connection. The handshake starts with the first byte, so that a silent client costs little.
   *
   * @param socket paused, with an `error` listener
   * @returns the secured connection. Fails with `ConnectionRefused`, or with `PeerGone` if the client left without sending. The caller
   *   destroys `socket` on failure and interruption
   */
  begin(socket: Net.Socket): Effect.Effect<Secured, ConnectionRefused | PeerGone> {
    return Effect.flatMap(FirstBytes.read(socket, beginsWithHandshake), (isTls) =>
      isTls ? this.#shake(socket) : refused(PLAIN_TEXT)
    )
  }

  #shake(socket: Net.Socket): Effect.Effect<Secured, ConnectionRefused> {
    return Effect.callback((resume) => {
      if (hasEnded(socket)) return resume(FAILED)
      const ends = endsOf(socket)
      const finish = (result: Effect.Effect<Secured, ConnectionRefused>) => {
        this.#pending.delete(ends)
        socket.off("close", onEnd).off("end", onEnd)
        resume(result)
      }
      // A handshake that fails closes the plain socket. That emits `end` only if it arrived with the first bytes, before the handshake.
      const onEnd = () => finish(FAILED)
      this.#pending.set(ends, finish)
      socket.once("close", onEnd).once("end", onEnd)
      // Inherited by the TLS socket: an end within the handshake closes the connection.
      socket.allowHalfOpen = false
      this.#server.emit("connection", socket)
      return Effect.sync(() => this.#pending.delete(ends))
    })
  }

  #resultOf(socket: Tls.TLSSocket): Effect.Effect<Secured, ConnectionRefused> {
    const certificate = this.#identity.requestClientCert === false ? undefined : socket.getPeerX509Certificate()
    if (certificate === undefined) return Effect.succeed({ socket, subject: undefined })
    return socket.authorized ? Effect.succeed({ socket, subject: subjectOf(certificate) }) : FAILED
  }
}

const FAILED = refused(HANDSHAKE_FAILED)

const beginsWithHandshake = (bytes: Buffer): FirstBytes.Finding<boolean> => ({
  value: bytes[0] === HANDSHAKE_RECORD,
  consumed: 0
})

const endsOf = ({ localAddress, localPort, remoteAddress, remotePort }: Net.Socket): string =>
  `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
