import * as Effect from "effect/Effect"
import { releaseMemory } from "../internal/releaseMemory.ts"
import { type Connection, ConnectionLost } from "../room/Connection.ts"
import type { DisconnectKind } from "../room/DisconnectReason.ts"

/** Behaviour of the connection. */
export interface Options {
  /** Bytes that the kernel buffers for a peer that does not read. 0 by default. */
  readonly capacity?: number
  /** Bytes above the capacity at which `writeUnsafe` returns `false`. 0 by default. */
  readonly highWaterMark?: number
  /** Whether the peer closes its side once it has read the end of the server's. Yes by default. */
  readonly closesOnEnd?: boolean
  /** `tcp` by default. */
  readonly transport?: string
  /** Subject of the client certificate. */
  readonly subject?: string | undefined
}

/**
 * A `Connection` in memory, with a peer that the test controls: what it sends, when it reads, and when it disconnects. Calls take effect
 * synchronously; `until` awaits the rest.
 */
export class MemoryConnection implements Connection {
  readonly address: string
  readonly ip: string
  readonly transport: string
  readonly subject: string | undefined
  onWritable: () => void = () => {}

  /** Number of writes to the kernel. */
  writes = 0
  /** Number of times the server has ended its side. */
  ends = 0
  /** Why the server disconnected the client; `undefined` for a refused connection. */
  endKind: DisconnectKind | undefined
  /** Whether the server has dropped the connection. */
  isDestroyed = false
  /** Whether the connection is closed, by either side. */
  isClosed = false
  /** Whether the server has ended its side and the kernel has taken all bytes. */
  isEnded = false

  readonly #options: Required<Omit<Options, "transport" | "subject">>
  readonly #watchers = new Set<() => void>()
  /** Chunks of the peer, not yet pulled. */
  #arriving: Array<Uint8Array> = []
  /** The bytes of the latest pull. */
  #pulled: Uint8Array | undefined
  #receivedBytes = 0
  #peerEnded = false
  #lost: string | undefined
  #waiter: (() => void) | undefined
  /** Bytes to the peer: not taken by the kernel, held by the kernel, read by the peer. */
  #unsent: Array<Uint8Array> = []
  #held: Array<Uint8Array> = []
  #received: Array<Uint8Array> = []
  #corked = false
  #needsDrain = false
  #isReading = true
  #changes = 0

  /**
   * An open connection.
   *
   * @param address `ip:port` of the peer
   */
  constructor(address: string, options: Options = {}) {
    this.address = address
    this.ip = address.slice(0, address.lastIndexOf(":")).replace(/^\[(.*)\]$/, "$1")
    const { subject, transport = "tcp", ...others } = options
    this.transport = transport
    this.subject = subject
    this.#options = { capacity: 0, highWaterMark: 0, closesOnEnd: true, ...others }
  }

  // The peer's side.

  /** Sends one chunk. */
  send(data: string | Uint8Array): void {
    if (this.isClosed) return
    const bytes = typeof data === "string" ? Buffer.from(data) : data
    this.#receivedBytes += bytes.length
    if (this.ends > 0) return
    // A copy, because the pull after it releases its memory.
    this.#arriving.push(new Uint8Array(bytes))
    this.#changed()
  }

  /** Ends the peer's side. It keeps reading. */
  endStream(): void {
    this.#peerEnded = true
    this.#closeOnceBothEnded()
    this.#changed()
  }

  /** Breaks the connection, with the system's error code `code`. */
  reset(code: string): void {
    this.#lost = code
    this.#close()
  }

  /** Stops reading: the kernel buffers up to its capacity. */
  stopReading(): void {
    this.#isReading = false
  }

  /** Reads everything again. */
  resumeReading(): void {
    this.#isReading = true
    this.read(Infinity)
  }

  /** Reads at most this many bytes. */
  read(bytes: number): void {
    let left = bytes
    while (left > 0) {
      const from = this.#held.length > 0 ? this.#held : this.#unsent
      const chunk = from.shift()
      if (chunk === undefined) break
      this.#received.push(Buffer.from(chunk.subarray(0, left)))
      if (chunk.length > left) from.unshift(chunk.subarray(left))
      left -= chunk.length
    }
    this.#transfer()
    if (this.#needsDrain && this.#unsent.length === 0) {
      this.#needsDrain = false
      this.onWritable()
    }
    this.#closeOnceBothEnded()
    this.#changed()
  }

  /** The text that the peer has read. */
  get received(): string {
    return Buffer.concat(this.#received).toString()
  }

  /** The complete lines of `received`. */
  get lines(): ReadonlyArray<string> {
    return this.received.split("\n").slice(0, -1)
  }

  /** Whether the server has pulled everything and waits for more. */
  get isAwaited(): boolean {
    return this.#waiter !== undefined
  }

  /** Grows with everything that happens on the connection. */
  get changes(): number {
    return this.#changes
  }

  /**
   * Waits for a condition on this connection. Where the test gives up, as a runner does with one that takes too long, the log says what
   * the peer has read.
   *
   * @param condition is asked again whenever something happens on the connection
   */
  until(condition: (self: this) => boolean): Effect.Effect<void> {
    return Effect.onInterrupt(this.#until(condition), () =>
      Effect.suspend(() => Effect.logWarning(`a test no longer waits for ${this.#state}`))
    )
  }

  #until(condition: (self: this) => boolean): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (condition(this)) return resume(Effect.void)
      const watcher = () => {
        // Asynchronously, like a real socket: not within a call of the server.
        if (condition(this) && this.#watchers.delete(watcher)) queueMicrotask(() => resume(Effect.void))
      }
      this.#watchers.add(watcher)
      return Effect.sync(() => this.#watchers.delete(watcher))
    })
  }

  /**
   * Waits until the peer has read `count` lines, and returns all lines. Dies, and says what the peer has read, if the connection is closed
   * before.
   */
  readLines(count: number): Effect.Effect<ReadonlyArray<string>> {
    return Effect.flatMap(
      this.until(() => this.lines.length >= count || this.isClosed),
      () =>
        this.lines.length >= count
          ? Effect.succeed(this.lines)
          : Effect.die(new Error(`expected ${count} lines from ${this.#state}`))
    )
  }

  get #state(): string {
    const open = this.isClosed ? "is closed" : "is open"
    return `${this.address}, which ${open} and has read ${JSON.stringify(this.received)}`
  }

  // The server's side.

  readonly pull: Effect.Effect<Uint8Array | undefined, ConnectionLost> = Effect.callback((resume) => {
    const take = () => {
      if (this.#pulled !== undefined) releaseMemory(this.#pulled)
      const chunk = (this.#pulled = this.#arriving.shift())
      if (this.#lost !== undefined) resume(Effect.fail(new ConnectionLost({ code: this.#lost })))
      else if (chunk !== undefined || this.#peerEnded || this.isClosed) resume(Effect.succeed(chunk))
      else return false
      return true
    }
    if (take()) return
    const waiter = () => {
      this.#waiter = undefined
      if (!take()) this.#waiter = waiter
    }
    this.#waiter = waiter
    this.#changed()
    return Effect.sync(() => {
      this.#waiter = undefined
    })
  })

  writeUnsafe(bytes: Uint8Array): boolean {
    if (this.isClosed) return true
    if (this.ends > 0) throw new Error("write after end")
    this.#unsent.push(bytes)
    if (!this.#corked) {
      this.writes++
      this.#transfer()
    }
    const accepting = this.unsentBytes() <= this.#options.highWaterMark
    if (!accepting) this.#needsDrain = true
    this.#changed()
    return accepting
  }

  corkUnsafe(): void {
    this.#corked = true
  }

  uncorkUnsafe(): void {
    this.#corked = false
    if (this.#unsent.length === 0) return
    this.writes++
    this.#transfer()
    if (this.#unsent.length === 0) this.#needsDrain = false
    this.#changed()
  }

  receivedBytes(): number {
    return this.#receivedBytes
  }

  unsentBytes(): number {
    return lengthOf(this.#unsent)
  }

  endUnsafe(kind: DisconnectKind): void {
    this.endKind ??= kind
    this.#end()
  }

  /** Sends a notice and ends a connection that has no session. */
  refuseUnsafe(notice: string): void {
    this.writeUnsafe(Buffer.from(notice))
    this.#end()
  }

  #end(): void {
    this.ends++
    if (this.isClosed) return
    this.#arriving = []
    this.#transfer()
    this.#closeOnceBothEnded()
    this.#changed()
  }

  readonly ended: Effect.Effect<void> = this.#until(() => this.isEnded || this.isClosed)
  readonly closed: Effect.Effect<void> = this.#until(() => this.isClosed)

  isClosedUnsafe(): boolean {
    return this.isClosed
  }

  destroyUnsafe(): void {
    this.isDestroyed = true
    if (!this.isClosed) this.#close()
  }

  /** Moves bytes to the kernel, up to its capacity, and to the peer while it reads. */
  #transfer(): void {
    if (this.#corked) return
    while (this.#unsent.length > 0) {
      const free = this.#isReading ? Infinity : this.#options.capacity - lengthOf(this.#held)
      if (free <= 0) break
      const chunk = this.#unsent.shift()!
      // A copy, as above: the room uses the memory of bytes that it knows to be sent.
      this.#held.push(Buffer.from(chunk.subarray(0, free)))
      if (chunk.length > free) this.#unsent.unshift(chunk.subarray(free))
    }
    if (this.#isReading) this.#received.push(...this.#held.splice(0))
    if (this.ends > 0 && this.#unsent.length === 0) this.isEnded = true
  }

  #closeOnceBothEnded(): void {
    const peerSawEnd = this.isEnded && this.#held.length === 0
    if (!this.isClosed && peerSawEnd && (this.#peerEnded || this.#options.closesOnEnd)) this.#close()
  }

  #close(): void {
    this.isClosed = true
    this.#unsent = []
    this.#arriving = []
    this.#changed()
  }

  #changed(): void {
    this.#changes++
    if (this.#arriving.length > 0 || this.#peerEnded || this.isClosed) this.#waiter?.()
    for (const watcher of this.#watchers) watcher()
  }
}

const lengthOf = (chunks: ReadonlyArray<Uint8Array>) => chunks.reduce((sum, chunk) => sum + chunk.length, 0)
