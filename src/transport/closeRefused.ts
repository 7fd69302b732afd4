import type * as Net from "node:net"
import { TLSSocket } from "node:tls"
import type { Incident } from "../session/Incidents.ts"

/** Why somebody is turned away before anything was begun with him. */
const UNHEARD: ReadonlySet<Incident | "gone"> = new Set<Incident>([
  "not allowed",
  "no PROXY header",
  "plain text on the TLS port",
  "quarantined",
  "server full",
  "draining"
])

/**
 * Ends a connection that does not become a client, without a word. By a reset, where TLS has nothing to say either: a regular end would look
 * like that of a session, in which everything was relayed.
 */
export const closeRefused = (socket: Net.Socket, reason: Incident | "gone"): void => {
  if (UNHEARD.has(reason) && !(socket instanceof TLSSocket)) socket.resetAndDestroy()
  else socket.destroy()
}
