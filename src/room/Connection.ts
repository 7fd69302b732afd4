/**
 * What the relay needs of a transport: one client's bytes in, bytes out, and the end of both. TCP implements it in
 * `transport/`; everything behind it is the same for every transport.
 */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { DisconnectKind } from "./DisconnectReason.ts"

/** The peer vanished without saying goodbye: a reset, a timeout of the network, a broken pipe. */
export class ConnectionLost extends Schema.TaggedError<ConnectionLost>()("ConnectionLost", {
  /** The system's error code, such as `ECONNRESET`. */
  code: Schema.String
}) {
  override get message() {
    return this.code
  }
}

/** One client, as the relay sees it. */
export interface Connection {
  /** `ip:port`, IPv6 as `[ip]:port`: the client's name in envelopes, logs and notices. */
  readonly address: string
  /** The client's IP address; an IPv4 client of a dual-stack socket has its plain IPv4 address here. */
  readonly ip: string
  /** How it has come: `tcp`, `websocket`. */
  readonly transport: string
  /** Whose certificate the client has shown, if it has, and the transport has verified it: `CN=agent-7,O=Example`. */
  readonly subject?: string | undefined

  /**
   * The bytes that arrived next, or `undefined` once the peer has sent its last. While nobody pulls, nothing is read and
   * the kernel holds the peer back.
   */
  readonly pull: Effect.Effect<Uint8Array | undefined, ConnectionLost>

  /**
   * Takes `bytes`, which must not change afterwards. `true`: go on; `false`: they are taken, but wait for `onWritable`
   * before the next ones.
   *
   * @param bytes whole lines
   * @param batch what they are a slice of, if they are: other slices of it go to others
   */
  readonly writeUnsafe: (bytes: Uint8Array, batch?: Uint8Array) => boolean
  /** Writes between the two calls leave together, as one system call. */
  readonly corkUnsafe: () => void
  /** Sends what was written since `corkUnsafe`. */
  readonly uncorkUnsafe: () => void
  /** Bytes taken by `writeUnsafe` that the kernel has not taken yet. */
  readonly unsentBytes: () => number
  /** Called when `writeUnsafe` accepts again. */
  onWritable: () => void

  /**
   * Ends our side once everything taken is sent; what the peer still sends is read and thrown away.
   *
   * @param kind why, for transports that can say so
   */
  readonly endUnsafe: (kind: DisconnectKind) => void
  /** Done when everything taken, and the end of our side, is with the kernel; or the connection is gone. */
  readonly ended: Effect.Effect<void>
  /** Done when the connection is gone. */
  readonly closed: Effect.Effect<void>
  /** Whether the connection is gone. */
  readonly isClosedUnsafe: () => boolean
  /** Drops the connection and whatever is unsent. */
  readonly destroyUnsafe: () => void
}
