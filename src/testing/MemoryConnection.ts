import * as Effect from "effect/Effect"
import { type Connection, ConnectionLost } from "../room/Connection.ts"
import type { DisconnectKind } from "../room/DisconnectReason.ts"

/** How the connection behaves. */
export interface Options {
  /** Bytes the kernel holds for a peer that does not read. */
  readonly capacity?: number
  /** Bytes beyond those that `writeUnsafe` takes before it says to wait. */
  readonly highWaterMark?: number
  /** Whether the peer closes its side when it sees that the server has ended its own. */
  readonly closesOnEnd?: boolean
  /** How it seems to have come; `tcp`, if it is left out. */
  readonly transport?: string
  /** Whose certificate it seems to have shown. */
  readonly subject?: string | undefined
}

/**
 * A `Connection` in memory, and the peer at its other end: what the peer sends, when it reads, and when it goes is decided
 * by the test. Everything happens at once; what takes time can be awaited with `until`.
 */
export class MemoryConnection implements Connection {
  readonly address: string
  readonly ip: string
  readonly transport: string
  readonly subject: string | undefined
  onWritable: () => void = () => {}

  /** How often the server has handed bytes to the kernel. */
  writes = 0
  /** How often the server has ended its side. */
  ends = 0
  /** Why it has ended it, if it was a client's: one that was refused has not left. */
  endKind: DisconnectKind | undefined
  /** The server has dropped the connection. */
  isDestroyed = false
  /** The connection is gone, whoever dropped it. */
  isClosed = false
  /** The server has ended its side, and the kernel has everything. */
  isEnded = false

  readonly #options: Required<Omit<Options, "transport" | "subject">>
  readonly #watchers = new Set<() => void>()
  /** From the peer, not yet pulled. */
  #arriving: Array<Uint8Array> = []
  #peerEnded = false
  #lost: string | undefined
  #waiter: (() => void) | undefined
  /** To the peer: what the kernel has not taken, what it holds, and what the peer has read. */
  #unsent: Array<Uint8Array> = []
  #held: Array<Uint8Array> = []
  #received: Array<Uint8Array> = []
  #corked = false
  #needsDrain = false
  #isReading = true

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

  /** Each call arrives as one chunk. */
  send(data: string | Uint8Array): void {
    if (this.isClosed || this.ends > 0) return
    this.#arriving.push(typeof data === "string" ? Buffer.from(data) : data)
    this.#changed()
  }

  /** Sends no more, but goes on reading. */
  endStream(): void {
    this.#peerEnded = true
    this.#closeOnceBothEnded()
    this.#changed()
  }

  /** Vanishes, with the system's error code `code`. */
  reset(code: string): void {
    this.#lost = code
    this.#close()
  }

  /** From now on the kernel holds what the server writes, up to its capacity. */
  stopReading(): void {
    this.#isReading = false
  }

  /** Reads everything, from now on. */
  resumeReading(): void {
    this.#isReading = true
    this.read(Infinity)
  }

  /** Reads at most so many bytes of those that the server has written. */
  read(bytes: number): void {
    let left = bytes
    while (left > 0) {
      const from = this.#held.length > 0 ? this.#held : this.#unsent
      const chunk = from.shift()
      if (chunk === undefined) break
      this.#received.push(chunk.subarray(0, left))
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

  /** What the peer has read. */
  get received(): string {
    return Buffer.concat(this.#received).toString()
  }

  /** The complete lines among it. */
  get lines(): ReadonlyArray<string> {
    return this.received.split("\n").slice(0, -1)
  }

  /** The server has pulled everything sent, and waits for more. */
  get isAwaited(): boolean {
    return this.#waiter !== undefined
  }

  /** Waits until something is true of this connection. */
  until(condition: (self: this) => boolean): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (condition(this)) return resume(Effect.void)
      const watcher = () => {
        // Never in the midst of what the other side is doing, as with a real socket.
        if (condition(this) && this.#watchers.delete(watcher)) queueMicrotask(() => resume(Effect.void))
      }
      this.#watchers.add(watcher)
      return Effect.sync(() => this.#watchers.delete(watcher))
    })
  }

  /** Waits until the peer has read so many lines, and returns them all. */
  readLines(count: number): Effect.Effect<ReadonlyArray<string>> {
    return Effect.map(
      this.until(() => this.lines.length >= count),
      () => this.lines
    )
  }

  // The server's side.

  readonly pull: Effect.Effect<Uint8Array | undefined, ConnectionLost> = Effect.callback((resume) => {
    const take = () => {
      const chunk = this.#arriving.shift()
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

  unsentBytes(): number {
    return lengthOf(this.#unsent)
  }

  endUnsafe(kind: DisconnectKind): void {
    this.endKind ??= kind
    this.#end()
  }

  /** Ends it before there is a session, which would say why a client leaves. */
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

  readonly ended: Effect.Effect<void> = this.until(() => this.isEnded || this.isClosed)
  readonly closed: Effect.Effect<void> = this.until(() => this.isClosed)

  isClosedUnsafe(): boolean {
    return this.isClosed
  }

  destroyUnsafe(): void {
    this.isDestroyed = true
    if (!this.isClosed) this.#close()
  }

  /** Moves what the kernel has room for from the server to the kernel and, while the peer reads, to the peer. */
  #transfer(): void {
    if (this.#corked) return
    while (this.#unsent.length > 0) {
      const room = this.#isReading ? Infinity : this.#options.capacity - lengthOf(this.#held)
      if (room <= 0) break
      const chunk = this.#unsent.shift()!
      this.#held.push(chunk.subarray(0, room))
      if (chunk.length > room) this.#unsent.unshift(chunk.subarray(room))
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
    if (this.#arriving.length > 0 || this.#peerEnded || this.isClosed) this.#waiter?.()
    for (const watcher of this.#watchers) watcher()
  }
}

const lengthOf = (chunks: ReadonlyArray<Uint8Array>) => chunks.reduce((sum, chunk) => sum + chunk.length, 0)
