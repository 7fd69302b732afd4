/** Listening before the code is loaded that serves clients: so this imports nothing but Node's modules. */
import * as Net from "node:net"

/** Bytes of one client that Node reads ahead, and of one write that it takes before it says to wait. */
export const HIGH_WATER_MARK = 65_536

/** Idle time after which the kernel asks whether the peer is still there, in milliseconds. */
const KEEP_ALIVE_MILLIS = 60_000

/** How connections of clients are accepted. */
export const SERVER_OPTIONS: Net.ServerOpts = {
  allowHalfOpen: true,
  pauseOnConnect: true,
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: KEEP_ALIVE_MILLIS,
  highWaterMark: HIGH_WATER_MARK
}

/** A server that listens, and holds what it has accepted. */
export interface ListeningServer {
  readonly server: Net.Server
  /** Hands over the connections that it has accepted, and holds no more: the caller listens to its events. */
  readonly take: () => ReadonlyArray<Net.Socket>
}

/**
 * Listens on a port that other threads listen on, too.
 *
 * @param backlog connections that wait, at most, as in the kernel
 * @returns rejects with the error of the system
 */
export const listen = (at: { readonly host: string; readonly port: number }, backlog: number) =>
  new Promise<ListeningServer>((resolve, reject) => {
    const server = Net.createServer(SERVER_OPTIONS)
    const accepted: Array<Net.Socket> = []
    const hold = (socket: Net.Socket) => void accepted.push(socket)
    const take = () => {
      server.off("connection", hold)
      return accepted.splice(0)
    }
    server.maxConnections = backlog
    server.on("connection", hold).once("error", reject)
    server.listen({ ...at, backlog, reusePort: true }, () => {
      server.off("error", reject)
      resolve({ server, take })
    })
  })
