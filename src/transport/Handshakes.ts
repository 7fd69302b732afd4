import * as Effect from "effect/Effect"
import type * as Net from "node:net"
import type { ClientIdentity } from "../net/ClientIdentity.ts"
import type { ConnectionGate } from "../session/ConnectionGate.ts"
import { type AddressFilter, NOT_ALLOWED } from "./AddressFilter.ts"
import { closeRefused } from "./closeRefused.ts"
import type { PendingConnections } from "./PendingConnections.ts"
import * as ProxyHeader from "./ProxyHeader.ts"
import { type ConnectionRefused, type PeerGone, refused } from "./Refusal.ts"
import type { TlsHandshake } from "./tls/TlsHandshake.ts"

/** What stands before the gate. */
export interface Guards {
  readonly gate: ConnectionGate
  readonly filter: AddressFilter
  readonly pending: PendingConnections
  /** How handshakes are made now; `undefined`: TLS is off. */
  readonly handshake: () => TlsHandshake | undefined
}

/**
 * Takes a connection through its PROXY header and its TLS handshake, as far as it needs them. Who is refused anyway gets no
 * handshake: it costs more than everything else about a connection. What goes wrong is counted and ends the connection.
 *
 * @param socket paused
 * @param peer at the other end of it
 * @param enter gets the client, once it is known and can be spoken to, with the socket to do so
 */
export const arrive = (
  { gate, filter, handshake, pending }: Guards,
  socket: Net.Socket,
  peer: ClientIdentity,
  enter: (socket: Net.Socket, client: ClientIdentity) => void
): Effect.Effect<void> => {
  let client = peer
  const arrival = Effect.gen(function* () {
    if (filter.isTrustedProxy(peer.ip)) {
      client = { ...peer, ...(yield* ProxyHeader.read(socket)) }
      if (client.address !== peer.address && !filter.isAllowed(client.ip)) return yield* refused(NOT_ALLOWED)
    }
    const tls = handshake()
    if (tls === undefined) return socket
    const refusal = gate.checkUnsafe(client)
    if (refusal !== undefined) return yield* refused(refusal.incident)
    const secured = yield* tls.begin(socket)
    client = { ...client, subject: secured.subject }
    return secured.socket
  })
  return whilePending(
    { gate, pending },
    socket,
    () => client.ip,
    arrival,
    (ready) => enter(ready, client)
  )
}

/** Stays with the socket for good, so that it must not keep alive what is around it. */
const ignore = () => {}

/**
 * Has a connection wait among the pending ones until it has said what it has to. What goes wrong is counted and ends the connection.
 *
 * @param proceed gets what `arrival` has brought
 */
export const whilePending = <A>(
  { gate, pending }: Pick<Guards, "gate" | "pending">,
  socket: Net.Socket,
  ip: () => string,
  arrival: Effect.Effect<A, ConnectionRefused | PeerGone>,
  proceed: (arrived: A) => void
): Effect.Effect<void> => {
  socket.on("error", ignore)
  return pending.within(arrival).pipe(
    Effect.match({
      onSuccess: proceed,
      onFailure: (error) => {
        const incident = error._tag === "ConnectionRefused" ? error.incident : undefined
        closeRefused(socket, incident)
        // A monitor that only looks whether the port is open is none.
        if (incident !== undefined) gate.refusedUnsafe(ip(), incident)
      }
    }),
    Effect.onInterrupt(() => Effect.sync(() => socket.destroy()))
  )
}
