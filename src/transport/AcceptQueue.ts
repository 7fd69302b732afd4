/** Connections that are accepted before they are received, as long as more arrive in every turn of the event loop. */
export const ACCEPTED_AHEAD = 16_384

/** How long the first of them waits for such a burst to end, in milliseconds. */
const PATIENCE_MILLIS = 250

/** Connections that are received in one turn, if no more than these were accepted in it. */
export const RECEIVED_PER_TURN = 8

/**
 * Puts accepting before receiving. To begin a session costs four times what it costs to accept, so that a server which does both
 * at once falls behind a burst of connects, and whoever connects while the kernel's backlog is full waits a second.
 */
export class AcceptQueue<Socket> {
  readonly #receive: (socket: Socket) => void
  /** With the time at which each was accepted, in milliseconds. */
  readonly #accepted = new Map<Socket, number>()
  #acceptedThisTurn = 0
  #isHeld = false

  /** @param receive begins what is to be done with a connection */
  constructor(receive: (socket: Socket) => void) {
    this.#receive = receive
  }

  /** Receives nothing until `release`. */
  hold(): void {
    this.#isHeld = true
  }

  release(): void {
    this.#isHeld = false
    if (this.#accepted.size > 0) setImmediate(this.#receiveSome)
  }

  push(socket: Socket): void {
    this.#acceptedThisTurn++
    if (this.#accepted.size === 0 && !this.#isHeld) setImmediate(this.#receiveSome)
    this.#accepted.set(socket, performance.now())
  }

  /** Receives all that are left now. */
  drain(): void {
    this.#receiveUpTo(Infinity)
  }

  readonly #receiveSome = () => {
    const arrived = this.#acceptedThisTurn
    this.#acceptedThisTurn = 0
    if (arrived === 0 || this.#accepted.size >= ACCEPTED_AHEAD || this.#firstHasWaited()) {
      this.#receiveUpTo(Math.max(arrived, RECEIVED_PER_TURN))
    }
    if (this.#accepted.size > 0) setImmediate(this.#receiveSome)
  }

  #firstHasWaited(): boolean {
    for (const since of this.#accepted.values()) return performance.now() - since >= PATIENCE_MILLIS
    return false
  }

  #receiveUpTo(count: number): void {
    let left = count
    for (const socket of this.#accepted.keys()) {
      if (left-- <= 0) return
      this.#accepted.delete(socket)
      this.#receive(socket)
    }
  }
}
