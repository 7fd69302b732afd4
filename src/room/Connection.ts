/**
 * What the relay needs of a transport: one client's bytes in, bytes out, and the end of both. Everything behind it is the same for
 * every transport.
 */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { ClientIdentity } from "../net/ClientIdentity.ts"
import type { DisconnectKind } from "./DisconnectReason.ts"

/** The connection was lost: a reset, a network timeout, a broken pipe. */
export class ConnectionLost extends Schema.TaggedError<ConnectionLost>()("ConnectionLost", {
  /** The system's error code, such as `ECONNRESET`. */
  code: Schema.String
}) {
  override get message() {
    return this.code
  }
}

/** One client, as the relay sees it. */
export interface Connection extends ClientIdentity {
  /**
   * The next bytes, valid until the next pull, or `undefined` once the peer has sent its last. Without a pull nothing is read, so that TCP
   * holds the peer back.
   */
  readonly pull: Effect.Effect<Uint8Array | undefined, ConnectionLost>

  /**
   * Takes `bytes`, which do not change as long as `unsentBytes` is not 0: a connection that keeps them for longer has to copy them.
   * `false`: they are taken, but the next ones have to wait for `onWritable`.
   *
   * @param bytes whole lines
   * @param batch what they are a slice of, if they are; other clients get other slices of it
   */
  readonly writeUnsafe: (bytes: Uint8Array, batch?: Uint8Array) => boolean
  /** Collects writes until `uncorkUnsafe`, which sends them with one system call. */
  readonly corkUnsafe: () => void
  /** Sends what was written since `corkUnsafe`. */
  readonly uncorkUnsafe: () => void
  /** Bytes that have arrived from the peer, those that were discarded among them. */
  readonly receivedBytes: () => number
  /** Bytes taken by `writeUnsafe` and not yet by the kernel. */
  readonly unsentBytes: () => number
  /** Called when `writeUnsafe` accepts again. */
  onWritable: () => void

  /**
   * Ends our side once everything taken is sent. What the peer still sends is discarded.
   *
   * @param kind the reason, for transports that can tell the peer
   */
  readonly endUnsafe: (kind: DisconnectKind) => void
  /** Completes when the kernel has everything taken and the end of our side, or the connection is closed. */
  readonly ended: Effect.Effect<void>
  /** Completes when the connection is closed. */
  readonly closed: Effect.Effect<void>
  /** Whether the connection is closed. */
  readonly isClosedUnsafe: () => boolean
  /** Closes the connection and discards what is unsent. */
  readonly destroyUnsafe: () => void
}
