import * as Effect from "effect/Effect"
import type * as Net from "node:net"
import * as Tls from "node:tls"
import * as Incidents from "../../session/Incidents.ts"
import * as FirstBytes from "../FirstBytes.ts"
import { hasEnded } from "../hasEnded.ts"
import { type ConnectionRefused, type PeerGone, refused } from "../Refusal.ts"
import { HANDSHAKE_RECORD } from "./ClientHello.ts"
import { type Identity, subjectOf } from "./TlsIdentity.ts"

export const PLAIN_TEXT = Incidents.define("connection", "plain_on_tls_port", "plain text on the TLS port")
export const HANDSHAKE_FAILED = Incidents.define("connection", "tls_handshake", "TLS handshake failed")

/**
 * How handshakes are made at the moment.
 *
 * @param identity changes with a reload; `undefined`: TLS is off
 */
export const latest = (identity: () => Identity | undefined): (() => TlsHandshake | undefined) => {
  let last: { readonly identity: Identity; readonly handshake: TlsHandshake } | undefined
  return () => {
    const current = identity()
    if (current === undefined) return undefined
    if (last?.identity !== current) last = { identity: current, handshake: new TlsHandshake(current) }
    return last.handshake
  }
}

/** A connection after its handshake. */
export interface Secured {
  /** Paused, with listeners of nobody. */
  readonly socket: Tls.TLSSocket
  /** Whose certificate the client has shown: verified, or `undefined`. */
  readonly subject: string | undefined
}

/**
 * The server's side of handshakes as one identity. Connections that have had theirs do not need it any more.
 *
 * A `tls.Server` that listens nowhere is the public way to a handshake on a socket that somebody else has accepted, client
 * certificates verified. It does not say which socket became which, so both ends of the connection have to.
 */
export class TlsHandshake {
  readonly #identity: Identity
  readonly #server: Tls.Server
  /** By both ends. */
  readonly #underWay = new Map<string, (result: Effect.Effect<Secured, ConnectionRefused>) => void>()

  constructor(identity: Identity) {
    this.#identity = identity
    this.#server = Tls.createServer(identity.options)
    this.#server.on("secureConnection", (socket) => {
      // Whoever reads it says when.
      socket.pause()
      socket.allowHalfOpen = true
      const finish = this.#underWay.get(endsOf(socket))
      // A connection that was reset meanwhile has no other end any more, and, while it is paused, nobody would notice.
      if (finish === undefined) return void socket.destroy()
      finish(this.#resultOf(socket))
    })
    this.#server.on("tlsClientError", (_error, socket) => this.#underWay.get(endsOf(socket))?.(FAILED))
  }

  /**
   * Makes a TLS connection of a plain one. It is left alone until its client has said something, so that one that never does costs
   * little.
   *
   * @param socket paused, with an `error` listener
   * @returns fails with what happened instead, or with `PeerGone` if the client has left without a word. Then, or when it is interrupted,
   *   `socket` has to be destroyed
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
        this.#underWay.delete(ends)
        socket.off("close", onEnd).off("end", onEnd)
        resume(result)
      }
      // Of the plain socket the end is heard only if it has come with its first bytes, so before the handshake.
      const onEnd = () => finish(FAILED)
      this.#underWay.set(ends, finish)
      socket.once("close", onEnd).once("end", onEnd)
      // The TLS socket has it from this one: whoever ends within the handshake is not waited for.
      socket.allowHalfOpen = false
      this.#server.emit("connection", socket)
      return Effect.sync(() => this.#underWay.delete(ends))
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
