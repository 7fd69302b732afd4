import type { ServerResponse } from "node:http"
import type * as Net from "node:net"
import type { Duplex } from "node:stream"

export const ADMIN_CONNECTIONS = 128

/** Why a connection was closed. `displaced`: above the limit. `pipelined`: a second request before the response to the first. */
export type CloseReason = "displaced" | "pipelined"

interface AdminConnection {
  readonly socket: Net.Socket
  /** A request on it was authorized for more than health. */
  isTrusted: boolean
  /** The response to its latest request. */
  response: ServerResponse | undefined
}

/**
 * Bounds the connections of the admin server, and the requests of each to one at a time. Untrusted connections are displaced first, so
 * that they cannot take the place of event streams and scrapes.
 */
export class AdminConnections {
  /** In order of the time at which they were opened or last trusted. */
  readonly #connections = new Map<Net.Socket, AdminConnection>()
  readonly #closed: Record<CloseReason, number> = { displaced: 0, pipelined: 0 }

  closedUnsafe(reason: CloseReason): number {
    return this.#closed[reason]
  }

  /** Adds a new connection. Above `ADMIN_CONNECTIONS` it displaces another one. */
  add(socket: Net.Socket): void {
    if (this.#connections.size >= ADMIN_CONNECTIONS) this.#displace()
    this.#connections.set(socket, { socket, isTrusted: false, response: undefined })
    socket.once("close", () => this.#connections.delete(socket))
  }

  /**
   * Begins a request. A connection that sends one while it has not taken the previous response is closed: Node would go on reading,
   * and buffer a response for each.
   *
   * @returns whether the request may be served
   */
  begin(socket: Net.Socket, response: ServerResponse): boolean {
    const connection = this.#connections.get(socket)
    // Requests that Node had read before the connection was closed.
    if (connection === undefined) return false
    if (isBusy(connection)) {
      this.#close(connection, "pipelined")
      return false
    }
    connection.response = response
    return true
  }

  isBusy(socket: Duplex): boolean {
    const connection = this.#connections.get(socket as Net.Socket)
    return connection !== undefined && isBusy(connection)
  }

  trust(socket: Net.Socket): void {
    const connection = this.#connections.get(socket)
    if (connection === undefined) return
    connection.isTrusted = true
    this.#connections.delete(socket)
    this.#connections.set(socket, connection)
  }

  #displace(): void {
    const connections = Array.from(this.#connections.values())
    // The oldest, not the least active: requests must not let a stranger outlast a probe. Event streams are busy.
    const displaced =
      connections.find(({ isTrusted }) => !isTrusted) ??
      connections.find((connection) => !isBusy(connection)) ??
      connections[0]!
    this.#close(displaced, "displaced")
  }

  #close({ socket }: AdminConnection, reason: CloseReason): void {
    this.#closed[reason]++
    this.#connections.delete(socket)
    socket.destroy()
  }
}

const isBusy = ({ response }: AdminConnection): boolean => response !== undefined && !response.writableFinished
