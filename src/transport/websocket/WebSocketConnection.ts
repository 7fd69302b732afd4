import * as Effect from "effect/Effect"
import type * as Net from "node:net"
import { releaseMemory } from "../../internal/releaseMemory.ts"
import type { ClientIdentity } from "../../net/ClientIdentity.ts"
import { ConnectionLost } from "../../room/Connection.ts"
import type { DisconnectKind } from "../../room/DisconnectReason.ts"
import { TcpConnection } from "../TcpConnection.ts"
import * as Frames from "./WebSocketFrames.ts"

/** Time between pings, in milliseconds: less than the idle timeout of proxies, which is a minute or more. */
export const PING_MILLIS = 30_000

/** Unanswered pings after which a client is dropped. An agent may not answer while it waits for a language model. */
export const UNANSWERED_PINGS = 4

const CLOSE_CODES: { readonly [kind in DisconnectKind]: number } = {
  left: Frames.NORMAL,
  lost: Frames.NORMAL,
  idle: Frames.POLICY,
  "too slow": Frames.POLICY,
  backpressure: Frames.POLICY,
  application: Frames.POLICY,
  shutdown: Frames.GOING_AWAY,
  failed: Frames.INTERNAL_ERROR
}

/**
 * One WebSocket client as a `Connection`: a TCP connection with each line in a frame. The socket must satisfy `TcpConnection`, with the
 * handshake done.
 *
 * Frames are decoded when the session pulls, so a paused session applies TCP backpressure.
 */
export class WebSocketConnection extends TcpConnection {
  readonly #decoder = new Frames.FrameDecoder()
  /** The memory of the latest lines, if it is not that of the chunk they came in. */
  #decoded: Uint8Array | undefined
  #isAccepting = true
  #isPulled = false
  #isEnded = false
  #lost: string | undefined
  /** Since the last bytes of the client. */
  #unansweredPings = 0
  #nextPingMillis: number

  /** @param nowMillis of the monotonic clock */
  constructor(socket: Net.Socket, client: ClientIdentity, nowMillis: number) {
    super(socket, client)
    this.#nextPingMillis = nowMillis + PING_MILLIS
  }

  override get pull(): Effect.Effect<Uint8Array | undefined, ConnectionLost> {
    return this.#pull
  }

  readonly #pull: Effect.Effect<Uint8Array | undefined, ConnectionLost> = Effect.suspend(() => {
    if (this.#decoded !== undefined) releaseMemory(this.#decoded)
    this.#decoded = undefined
    const { ending } = this.#decoder
    if (ending !== undefined) return this.#endOfPull(ending)
    this.#isPulled = true
    return Effect.flatMap(super.pull, (chunk) => {
      this.#isPulled = false
      if (chunk === undefined) return this.#endOfPull(undefined)
      this.#unansweredPings = 0
      const lines = this.#decoder.decode(chunk)
      if (lines.buffer !== chunk.buffer) this.#decoded = Buffer.from(lines.buffer)
      this.#answerPing()
      // A client that sends frames without lines is read at most once per turn of the event loop.
      return lines.length > 0 ? Effect.succeed(lines) : Effect.andThen(Effect.yieldNow, this.#pull)
    })
  })

  override writeUnsafe(bytes: Uint8Array, batch?: Uint8Array): boolean {
    // After its close frame a client ignores all but the answer to it.
    if (this.#decoder.ending !== undefined) return true
    return this.#write(Frames.ofLines(bytes, batch))
  }

  override endUnsafe(kind: DisconnectKind): void {
    const { ending } = this.#decoder
    if (!this.isClosedUnsafe()) {
      this.#write(Frames.close(ending === undefined ? CLOSE_CODES[kind] : ending.code))
    }
    this.#isEnded = true
    super.endUnsafe()
  }

  protected override onDrain(): void {
    this.#isAccepting = true
    this.#answerPing()
    if (this.#isAccepting) this.onWritable()
  }

  /** Sends a ping when it is due, or drops the client after too many unanswered ones. Called regularly. `nowMillis`: of the monotonic clock. */
  pingUnsafe(nowMillis: number): void {
    if (nowMillis < this.#nextPingMillis || this.#isEnded || this.isClosedUnsafe()) return
    this.#nextPingMillis = nowMillis + PING_MILLIS
    this.#decoder.resetEmptyFrames()
    // Without reads by the session no answer is seen, and without reads by the client no ping arrives: then only TCP can detect
    // that the client is gone.
    if (!this.#isPulled || this.unsentBytes() > 0) {
      this.#unansweredPings = 0
    } else if (this.#unansweredPings < UNANSWERED_PINGS) {
      this.#unansweredPings++
      this.#write(Frames.PING)
    } else {
      this.#lost = "no answer to pings"
      this.destroyUnsafe()
    }
  }

  #write(frames: Uint8Array): boolean {
    this.#isAccepting = super.writeUnsafe(frames)
    return this.#isAccepting
  }

  /** Only while the socket accepts bytes: a client that pings without reading must not pile up pongs. */
  #answerPing(): void {
    const { ping } = this.#decoder
    if (ping === undefined || !this.#isAccepting || this.#isEnded) return
    this.#decoder.ping = undefined
    this.#write(Frames.pong(ping))
  }

  #endOfPull(ending: Frames.Ending | undefined): Effect.Effect<undefined, ConnectionLost> {
    const code =
      ending !== undefined && "problem" in ending
        ? `protocol error: ${ending.problem}`
        : // An incomplete message is discarded.
          (this.#lost ?? (this.#decoder.isInMessage ? "closed within a message" : undefined))
    return code === undefined ? Effect.undefined : Effect.fail(new ConnectionLost({ code }))
  }
}
