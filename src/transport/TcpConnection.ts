import * as Effect from "effect/Effect"
import type * as Net from "node:net"
import { releaseMemory } from "../internal/releaseMemory.ts"
import type { ClientIdentity } from "../net/ClientIdentity.ts"
import { type Connection, ConnectionLost } from "../room/Connection.ts"
import type { DisconnectKind } from "../room/DisconnectReason.ts"
import { discardChunk } from "./discard.ts"
import { isClientHello } from "./tls/ClientHello.ts"
import { CUT_OFF, isCutOff } from "./tls/CloseNotify.ts"

type Bytes = Effect.Effect<Uint8Array | undefined, ConnectionLost>

/**
 * One TCP client as a `Connection`, with TLS or without. The socket must be unread and `allowHalfOpen`, with listeners of nobody else.
 *
 * Node's socket is used directly: Effect's own adapter costs a connection three times the memory, waits for ever when it
 * writes to a dead socket, and knows no bytes waiting (docs/decisions.md).
 */
export class TcpConnection implements Connection {
  readonly address: string
  readonly ip: string
  readonly transport: string
  readonly subject: string | undefined
  onWritable: () => void = () => {}

  readonly #socket: Net.Socket
  /** The pull that waits for bytes. */
  #waiter: ((bytes: Bytes) => void) | undefined
  /** Arrived while nobody pulled: at most one chunk, because then the socket is paused. */
  #arrived: Uint8Array | undefined
  /** The bytes of the latest pull. */
  #pulled: Uint8Array | undefined
  /** `silent`: nothing has arrived yet. */
  #state: "silent" | "open" | "half-closed" | "closed" = "silent"
  #lost: string | undefined
  #discarding = false

  /** @param onTls called if the client begins with TLS; then its connection is dropped. Without it, TLS is bytes like any other */
  constructor(socket: Net.Socket, peer: ClientIdentity, onTls?: (ip: string) => void) {
    this.#socket = socket
    this.address = peer.address
    this.ip = peer.ip
    this.transport = peer.transport
    this.subject = peer.subject
    socket.on("data", (chunk: Buffer) => {
      if (this.#state === "silent") {
        this.#state = "open"
        if (onTls !== undefined && isClientHello(chunk)) {
          this.#lost = "speaks TLS, which this port does not"
          onTls(this.ip)
          return void socket.destroy()
        }
      }
      this.#onData(chunk)
    })
    socket.on("end", () => {
      if (this.#state !== "closed") this.#state = "half-closed"
      this.#wake(this.#endOfPull())
    })
    socket.on("error", (error) => {
      this.#lost = codeOf(error)
    })
    socket.on("close", () => {
      this.#state = "closed"
      this.#wake(this.#endOfPull())
    })
    socket.on("drain", () => this.onDrain())
    // What came before anybody listened is not told again.
    if (socket.errored !== null) this.#lost = codeOf(socket.errored)
    if (socket.closed) this.#state = "closed"
    else if (socket.readableEnded) this.#state = "half-closed"
  }

  get pull(): Bytes {
    return this.#pull
  }

  readonly #pull: Bytes = Effect.callback((resume) => {
    if (this.#pulled !== undefined) releaseMemory(this.#pulled)
    this.#pulled = this.#arrived
    this.#arrived = undefined
    if (this.#pulled !== undefined) return resume(Effect.succeed(this.#pulled))
    if (this.#state === "half-closed" || this.#state === "closed") return resume(this.#endOfPull())
    this.#waiter = resume
    if (this.#socket.isPaused()) this.#socket.resume()
    return this.#stopWaiting
  })
  readonly #stopWaiting = Effect.sync(() => {
    this.#waiter = undefined
  })

  writeUnsafe(bytes: Uint8Array): boolean {
    // `write` says false above the high-water mark even when the kernel has taken everything at once.
    return this.#socket.write(bytes) || this.#socket.writableLength === 0
  }

  corkUnsafe(): void {
    this.#socket.cork()
  }

  uncorkUnsafe(): void {
    this.#socket.uncork()
  }

  receivedBytes(): number {
    return this.#socket.bytesRead
  }

  unsentBytes(): number {
    return this.#socket.writableLength
  }

  endUnsafe(_kind?: DisconnectKind): void {
    this.#discarding = true
    this.#arrived = undefined
    if (this.#state === "closed") return
    this.#socket.end()
    this.#socket.resume()
  }

  readonly ended: Effect.Effect<void> = this.#once("finish", () => this.#socket.writableFinished)
  readonly closed: Effect.Effect<void> = this.#once("close", () => false)

  isClosedUnsafe(): boolean {
    return this.#state === "closed"
  }

  destroyUnsafe(): void {
    this.#socket.destroy()
  }

  /** The socket has sent what waited. */
  protected onDrain(): void {
    this.onWritable()
  }

  #onData(chunk: Buffer): void {
    if (this.#discarding) return discardChunk(this.#socket, chunk)
    if (this.#waiter !== undefined) {
      this.#pulled = chunk
      return this.#wake(Effect.succeed(chunk))
    }
    this.#arrived = this.#arrived === undefined ? chunk : Buffer.concat([this.#arrived, chunk])
    this.#socket.pause()
  }

  #wake(bytes: Bytes): void {
    const waiter = this.#waiter
    this.#waiter = undefined
    waiter?.(bytes)
  }

  #endOfPull(): Bytes {
    if (isCutOff(this.#socket)) this.#lost ??= CUT_OFF
    return this.#lost === undefined ? END_OF_STREAM : Effect.fail(new ConnectionLost({ code: this.#lost }))
  }

  /** Waits for an event of the socket, or its end. */
  #once(event: "finish" | "close", happened: () => boolean): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (this.#state === "closed" || happened()) return resume(Effect.void)
      const done = () => resume(Effect.void)
      this.#socket.once(event, done).once("close", done)
      return Effect.sync(() => this.#socket.off(event, done).off("close", done))
    })
  }
}

const END_OF_STREAM: Bytes = Effect.void as Effect.Effect<undefined>

const codeOf = (error: NodeJS.ErrnoException): string => error.code ?? error.message
