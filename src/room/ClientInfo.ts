import type { ClientIdentity } from "../net/ClientIdentity.ts"

/**
 * The state of a client. `pending`: it is outside the room until the host program admits it. `throttled`, `paused`: not read because of backpressure. `waiting`: not read while slow readers catch up, or the
 * host program decides on its line. `slow`: it reads so slowly that senders no longer wait for it.
 */
export type ClientState = "pending" | "active" | "throttled" | "paused" | "waiting" | "slow"

/** A client at one moment. */
export interface ClientInfo extends ClientIdentity {
  readonly connectedSince: Date
  /** Complete lines received, relayed or not. */
  readonly linesIn: number
  /** Lines of other clients handed to its connection. */
  readonly linesOut: number
  readonly bytesIn: number
  /** Bytes handed to its connection, including notices. */
  readonly bytesOut: number
  /** Bytes for it that the kernel has not taken. */
  readonly bytesWaiting: number
  readonly state: ClientState
}
