/**
 * What a client does. `throttled`, `paused`: it is not read because of backpressure. `waiting`: nor while others catch up, or
 * the host program decides on its line. `slow`: it reads so slowly that nobody waits for it any more.
 */
export type ClientState = "active" | "throttled" | "paused" | "waiting" | "slow"

/** A client as others may see it, at one moment. */
export interface ClientInfo {
  /** `ip:port`: its name in envelopes, logs and every operation. */
  readonly address: string
  readonly ip: string
  /** How it has come: `tcp`, `websocket`. */
  readonly transport: string
  /** Whose certificate it has shown, where it was asked for one: `CN=agent-7,O=Example`. */
  readonly subject?: string | undefined
  readonly connectedSince: Date
  /** Complete lines received, whatever became of them. */
  readonly linesIn: number
  /** Lines of others handed to its connection. */
  readonly linesOut: number
  readonly bytesIn: number
  /** Bytes handed to its connection, those of notices included. */
  readonly bytesOut: number
  /** Bytes on their way to it that its kernel has not taken. */
  readonly bytesWaiting: number
  readonly state: ClientState
}
