import type * as Net from "node:net"
import { DRAINING, type Incident, QUARANTINED, SERVER_FULL } from "../session/Incidents.ts"
import { NOT_ALLOWED } from "./AddressFilter.ts"
import { NO_PROXY_HEADER } from "./ProxyHeader.ts"
import { PLAIN_TEXT } from "./tls/TlsHandshake.ts"
import { isTls } from "./tls/isTls.ts"

/** Why a connection is refused before anything was sent to it. */
const UNHEARD: ReadonlySet<Incident> = new Set([
  NOT_ALLOWED,
  NO_PROXY_HEADER,
  PLAIN_TEXT,
  QUARANTINED,
  SERVER_FULL,
  DRAINING
])

/**
 * Closes a connection that does not become a client, without a notice. A plain one is reset: a regular end would look like that of a
 * session in which everything was relayed.
 *
 * @param incident why; `undefined`: the client has left
 */
export const closeRefused = (socket: Net.Socket, incident: Incident | undefined): void => {
  if (incident !== undefined && UNHEARD.has(incident) && !isTls(socket)) socket.resetAndDestroy()
  else socket.destroy()
}
