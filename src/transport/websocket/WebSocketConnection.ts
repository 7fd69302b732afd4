import * as Effect from "effect/Effect"
import type * as Net from "node:net"
import { type Connection, ConnectionLost } from "../../room/Connection.ts"
import type { DisconnectKind } from "../../room/DisconnectReason.ts"
import { type Peer, TcpConnection } from "../TcpConnection.ts"
import * as Frames from "./WebSocketFrames.ts"

/** Time between two pings, in milliseconds. Less than what proxies allow a silent connection, which is a minute and more. */
export const PING_MILLIS = 30_000

/** Pings without an answer after which the client is gone. An agent may not get to answer while it waits for a language model. */
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
 * One WebSocket client as a `Connection`: a TCP connection with each line in a frame. The socket must be as `TcpConnection` wants
 * it, with the handshake done.
 *
 * Frames are decoded when the session pulls, so that the kernel holds back whom the session holds back.
 */
export class WebSocketConnection implements Connection {
  readonly address: string
  readonly ip: string
  readonly transport: string
  readonly subject: string | undefined
  onWritable: () => void = () => {}

  readonly #tcp: TcpConnection
  readonly #decoder = new Frames.FrameDecoder()
  #isAccepting = true
  #isPulled = false
  #isEnded = false
  #lost: string | undefined
  /** Since something has come from the client. */
  #unansweredPings = 0
  #nextPingMillis: number

  /** @param nowMillis of the monotonic clock */
  constructor(socket: Net.Socket, client: Peer, nowMillis: number) {
    this.#tcp = new TcpConnection(socket, client)
    this.address = client.address
    this.ip = client.ip
    this.transport = client.transport
    this.subject = client.subject
    this.#nextPingMillis = nowMillis + PING_MILLIS
    this.#tcp.onWritable = () => {
      this.#isAccepting = true
      this.#answerPing()
      if (this.#isAccepting) this.onWritable()
    }
  }

  readonly pull: Effect.Effect<Uint8Array | undefined, ConnectionLost> = Effect.suspend(() => {
    const { ending } = this.#decoder
    if (ending !== undefined) return this.#endOfPull(ending)
    this.#isPulled = true
    return Effect.flatMap(this.#tcp.pull, (chunk) => {
      this.#isPulled = false
      if (chunk === undefined) return this.#endOfPull(undefined)
      this.#unansweredPings = 0
      const lines = this.#decoder.decode(chunk)
      this.#answerPing()
      // Whoever sends no lines is read no faster than once a turn of the event loop.
      return lines.length > 0 ? Effect.succeed(lines) : Effect.andThen(Effect.yieldNow, this.pull)
    })
  })

  writeUnsafe(bytes: Uint8Array, batch?: Uint8Array): boolean {
    // Whoever has sent a close frame ignores all but the one that answers it.
    if (this.#decoder.ending !== undefined) return true
    return this.#write(Frames.ofLines(bytes, batch))
  }

  corkUnsafe(): void {
    this.#tcp.corkUnsafe()
  }

  uncorkUnsafe(): void {
    this.#tcp.uncorkUnsafe()
  }

  unsentBytes(): number {
    return this.#tcp.unsentBytes()
  }

  endUnsafe(kind: DisconnectKind): void {
    const { ending } = this.#decoder
    if (!this.isClosedUnsafe()) {
      this.#write(Frames.close(ending === undefined ? CLOSE_CODES[kind] : ending.code))
    }
    this.#isEnded = true
    this.#tcp.endUnsafe()
  }

  get ended(): Effect.Effect<void> {
    return this.#tcp.ended
  }

  get closed(): Effect.Effect<void> {
    return this.#tcp.closed
  }

  isClosedUnsafe(): boolean {
    return this.#tcp.isClosedUnsafe()
  }

  destroyUnsafe(): void {
    this.#tcp.destroyUnsafe()
  }

  /**
   * Asks the client whether it is still there, if it is time for it, and drops it if it has not answered for long. To be called every
   * now and then.
   *
   * @param nowMillis of the monotonic clock
   */
  pingUnsafe(nowMillis: number): void {
    if (nowMillis < this.#nextPingMillis || this.#isEnded || this.isClosedUnsafe()) return
    this.#nextPingMillis = nowMillis + PING_MILLIS
    this.#decoder.forgive()
    // An answer could not be heard while the session does not read; nor the question while the client does not: whether its
    // system still answers is for TCP to find out then.
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
    this.#isAccepting = this.#tcp.writeUnsafe(frames)
    return this.#isAccepting
  }

  /** Not while the socket takes nothing: a client that asks and does not read must not pile up answers. */
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
        : // A message that is not complete is none.
          (this.#lost ?? (this.#decoder.isInMessage ? "closed within a message" : undefined))
    return code === undefined ? Effect.undefined : Effect.fail(new ConnectionLost({ code }))
  }
}
