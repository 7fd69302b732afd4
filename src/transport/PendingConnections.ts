import * as Effect from "effect/Effect"
import { sleepAwake } from "../internal/time.ts"
import * as Incidents from "../session/Incidents.ts"
import { type ConnectionRefused, refused } from "./Refusal.ts"

export const TIMED_OUT = Incidents.define("connection", "arrival_timeout", "arrival timed out")
export const DISPLACED = Incidents.define("connection", "displaced", "displaced while arriving")

/** How long a connection may take to say whose it is, in milliseconds: its PROXY header and TLS handshake together. */
export const PATIENCE_MILLIS = 10_000

/**
 * Where connections are that have not said yet whose they are. They are bounded in number and time, and are no clients: however many
 * never say a word, they take nobody's place.
 */
export class PendingConnections {
  readonly capacity: number
  /** Sends somebody away; the first of them has been here for longest. */
  readonly #waiting = new Set<() => void>()

  /** How many are in the lobbies of this process, which share its file descriptors. */
  static #sizeOfAll = 0
  static readonly sizeOfAll = (): number => PendingConnections.#sizeOfAll

  constructor(capacity: number) {
    this.capacity = capacity
  }

  get size(): number {
    return this.#waiting.size
  }

  /**
   * Sends the one away that has been here for longest: a client that means it is soon done, however many others come.
   *
   * @returns `false` if nobody is here
   */
  displaceOldest(): boolean {
    for (const leave of this.#waiting) {
      leave()
      return true
    }
    return false
  }

  /**
   * Waits here for a connection to say whose it is. When it is full, the oldest has to go.
   *
   * @returns fails with what `arrival` does, or with why it has to go
   */
  within<A, E>(arrival: Effect.Effect<A, E>): Effect.Effect<A, E | ConnectionRefused> {
    return Effect.suspend(() => {
      if (this.#waiting.size >= this.capacity) this.displaceOldest()
      return arrival.pipe(
        Effect.raceFirst(this.#displaced),
        Effect.raceFirst(Effect.andThen(sleepAwake(PATIENCE_MILLIS), refused(TIMED_OUT)))
      )
    })
  }

  readonly #displaced = Effect.callback<never, ConnectionRefused>((resume) => {
    const gone = () => {
      if (this.#waiting.delete(leave)) PendingConnections.#sizeOfAll--
    }
    const leave = () => {
      gone()
      resume(refused(DISPLACED))
    }
    this.#waiting.add(leave)
    PendingConnections.#sizeOfAll++
    return Effect.sync(gone)
  })
}
