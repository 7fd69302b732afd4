/** Connections that are accepted before they are received, as long as more arrive in every turn of the event loop. */
export const ACCEPTED_AHEAD = 16_384

/** Connections that are received in one turn. */
export const RECEIVED_PER_TURN = 8

/**
 * Puts accepting before receiving. To begin a session costs four times what it costs to accept, so that a server which does both
 * at once falls behind a burst of connects, and whoever connects while the kernel's backlog is full waits a second.
 */
export class AcceptQueue<Socket> {
  readonly #receive: (socket: Socket) => void
  readonly #accepted = new Set<Socket>()
  #acceptedThisTurn = 0

  /** @param receive begins what is to be done with a connection */
  constructor(receive: (socket: Socket) => void) {
    this.#receive = receive
  }

  push(socket: Socket): void {
    this.#acceptedThisTurn++
    if (this.#accepted.size === 0) setImmediate(this.#receiveSome)
    this.#accepted.add(socket)
  }

  /** Receives all that are left now. */
  drain(): void {
    this.#receiveUpTo(Infinity)
  }

  readonly #receiveSome = () => {
    const isTime = this.#acceptedThisTurn === 0 || this.#accepted.size >= ACCEPTED_AHEAD
    this.#acceptedThisTurn = 0
    if (isTime) this.#receiveUpTo(RECEIVED_PER_TURN)
    if (this.#accepted.size > 0) setImmediate(this.#receiveSome)
  }

  #receiveUpTo(count: number): void {
    let left = count
    for (const socket of this.#accepted) {
      if (left-- <= 0) return
      this.#accepted.delete(socket)
      this.#receive(socket)
    }
  }
}
