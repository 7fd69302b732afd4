import type { ServerResponse } from "node:http"
import type * as Net from "node:net"

/** Connections to the admin server at once. */
export const ADMIN_CONNECTIONS = 128

/** Why a connection was cut. `displaced`: there were too many. `pipelined`: it did not wait for its answer. */
export type CutReason = "displaced" | "pipelined"

interface Caller {
  readonly socket: Net.Socket
  /** It has shown that it may ask for more than health. */
  isTrusted: boolean
  /** To its last request. */
  answer: ServerResponse | undefined
}

/**
 * The connections of the admin server: so many at once, and one request at a time from each. Who may ask for nothing but
 * health, as strangers may, takes no place from those who may, nor for long from a probe.
 */
export class AdminConnections {
  /** Who has been here, or was last trusted, for longest comes first. */
  readonly #connections = new Map<Net.Socket, Caller>()
  readonly #cut: Record<CutReason, number> = { displaced: 0, pipelined: 0 }

  /** How many were cut. */
  cutUnsafe(reason: CutReason): number {
    return this.#cut[reason]
  }

  /** Takes a new connection. Above `ADMIN_CONNECTIONS` another one has to go. */
  enter(socket: Net.Socket): void {
    if (this.#connections.size >= ADMIN_CONNECTIONS) this.#displace()
    this.#connections.set(socket, { socket, isTrusted: false, answer: undefined })
    socket.once("close", () => this.#connections.delete(socket))
  }

  /**
   * Begins a request. Whoever has not got the answer to the one before is cut: Node reads on, and would keep in memory what nobody
   * takes.
   *
   * @returns whether it may be answered
   */
  ask(socket: Net.Socket, answer: ServerResponse): boolean {
    const caller = this.#connections.get(socket)
    // The rest of what was read before it was cut.
    if (caller === undefined) return false
    if (isBusy(caller)) {
      this.#leave(caller, "pipelined")
      return false
    }
    caller.answer = answer
    return true
  }

  /** Knows from now on that the other end may ask for more than health. */
  trust(socket: Net.Socket): void {
    const caller = this.#connections.get(socket)
    if (caller === undefined) return
    caller.isTrusted = true
    this.#connections.delete(socket)
    this.#connections.set(socket, caller)
  }

  #displace(): void {
    const connections = Array.from(this.#connections.values())
    // By age, strangers who ask again and again do not outlast a probe. Event streams are busy.
    const caller =
      connections.find(({ isTrusted }) => !isTrusted) ??
      connections.find((caller) => !isBusy(caller)) ??
      connections[0]!
    this.#leave(caller, "displaced")
  }

  #leave({ socket }: Caller, reason: CutReason): void {
    this.#cut[reason]++
    this.#connections.delete(socket)
    socket.destroy()
  }
}

const isBusy = ({ answer }: Caller): boolean => answer !== undefined && !answer.writableFinished
