import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import type { ServerConfig } from "../config/CurrentConfig.ts"
import * as Notice from "../protocol/Notice.ts"
import type { Connection } from "./Connection.ts"
import type { DisconnectKind } from "./DisconnectReason.ts"

/** `hyper_parameters.slow_consumer`. Read at each use, because a reload changes it. */
export type OutboxLimits = Pick<
  ServerConfig["Service"]["hyper_parameters"]["slow_consumer"],
  "policy" | "soft_limit_bytes" | "hard_limit_bytes"
>

/**
 * The share of the hard limit from which a backlog is nearly full. The rest is for bytes already on their way when the room begins to
 * wait: the batches of a turn, and those of other processes.
 */
const NEARLY_FULL = 3 / 4

/** Bytes that an entry of a backlog costs beside its content: objects, and an array element. */
const ENTRY_BYTES = 256

/** Entries whose cost is not counted, so that the limits mean content unless a backlog is in many pieces. */
const FREE_ENTRIES = 256

/** The longest run of merged chunks, as a share of the hard limit: `drop_oldest` drops a run as a whole. */
const LONGEST_RUN = 1 / 64

/** Events of one outbox. Called synchronously. */
export interface OutboxEvents {
  /** The backlog rose above the soft limit. */
  readonly onSlow: () => void
  /** It is back at or below the soft limit. */
  readonly onCaughtUp: () => void
  /** Above the soft limit: the backlog has become nearly full, or no longer is. */
  readonly onNearlyFull?: (isNearlyFull: boolean) => void
  /** Above the soft limit: the connection has taken bytes. */
  readonly onProgress?: () => void
  /** The backlog reached the hard limit, and the policy is to disconnect. Everything sent from now on is dropped. */
  readonly onOverflow: () => void
  /** `messages` were dropped at the hard limit; the client gets a notice once it reads again. */
  readonly onDropped: (messages: number) => void
}

/** Whole lines that travel together. */
export interface Chunk {
  readonly bytes: Uint8Array
  /** Messages in it; 0 for a notice. */
  readonly messages: number
  /** What the bytes are a slice of, if they are. */
  readonly batch?: Uint8Array
}

/**
 * Waiting chunks that are neighbours in memory, as one entry: a backlog of small chunks would cost several times its content, for each
 * client. The bytes remain those of the room, shared by all.
 */
class Run implements Chunk {
  messages: number
  readonly #memory: ArrayBufferLike
  readonly #start: number
  #end: number

  constructor({ bytes, messages }: Chunk) {
    this.messages = messages
    this.#memory = bytes.buffer
    this.#start = bytes.byteOffset
    this.#end = bytes.byteOffset + bytes.length
  }

  get bytes(): Uint8Array {
    return Buffer.from(this.#memory, this.#start, this.#end - this.#start)
  }

  get length(): number {
    return this.#end - this.#start
  }

  /** Adds the chunk behind it, if it is one. */
  extend({ bytes, messages }: Chunk): boolean {
    if (bytes.byteOffset !== this.#end || bytes.buffer !== this.#memory) return false
    this.#end += bytes.length
    this.messages += messages
    return true
  }
}

const lengthOf = (entry: Chunk | Run): number => (entry instanceof Run ? entry.length : entry.bytes.length)

/**
 * Stands between the room and one client: bytes go straight to the connection while it accepts them, and wait here, bounded in bytes,
 * while it does not. Chunks are whole lines and leave in order, so no policy cuts or reorders lines. All outboxes share the bytes:
 * holding them costs memory once. The limits count what a backlog costs, however small its parts.
 */
export class Outbox {
  readonly #connection: Connection
  readonly #limits: OutboxLimits
  readonly #events: OutboxEvents
  /** The newest entry, which can still grow, and those before it. Few backlogs need a queue. */
  #newest: Chunk | Run | undefined
  #older: Queue.Queue<Chunk | Run> | undefined
  #queuedBytes = 0
  #queuedNoticeBytes = 0
  /** The connection accepts nothing until it calls `onWritable`. */
  #blocked = false
  #slow = false
  #nearlyFull = false
  #state: "open" | "overflowed" | "ending" | "ended" = "open"
  #reason: DisconnectKind = "left"
  /** Dropped messages that the client does not know of. */
  #dropped = 0
  #sentMessages = 0
  #sentBytes = 0

  constructor(connection: Connection, limits: OutboxLimits, events: OutboxEvents) {
    this.#connection = connection
    this.#limits = limits
    this.#events = events
    connection.onWritable = () => {
      this.#blocked = false
      if (this.#slow) this.#events.onProgress?.()
      this.#pump()
    }
  }

  /** Bytes for the client that the kernel has not taken. */
  get waitingBytes(): number {
    return this.#queuedBytes + this.#connection.unsentBytes()
  }

  /** Bytes that the kernel has taken so far. */
  get takenBytes(): number {
    return this.#sentBytes - this.#connection.unsentBytes()
  }

  get isNearlyFull(): boolean {
    return this.#nearlyFull
  }

  get sentMessages(): number {
    return this.#sentMessages
  }

  /** Bytes handed to the connection so far, those of notices included. */
  get sentBytes(): number {
    return this.#sentBytes
  }

  /**
   * Sends a chunk. The object is kept while it waits, so that all outboxes can share it as they share its bytes; one that directly
   * follows the last in memory is merged with it.
   *
   * @returns whether it was taken; if not, the policy at the hard limit has dropped it
   */
  send(chunk: Chunk): boolean {
    if (this.#state !== "open") return false
    if (this.#blocked) return this.#enqueue(chunk)
    if (!this.#write(chunk)) {
      this.#blocked = true
      this.#checkSlow()
    }
    return true
  }

  /** Sends the chunks of a batch around the client's own lines, with one system call. */
  sendAll(chunks: ReadonlyArray<Chunk>): void {
    if (this.#state !== "open") return
    if (this.#blocked) {
      for (const chunk of chunks) this.#enqueue(chunk)
      return
    }
    this.#connection.corkUnsafe()
    let accepting = true
    for (const chunk of chunks) accepting = this.#write(chunk)
    this.#uncork(accepting)
    this.#checkSlow()
  }

  /** Sends the notice `text`, `count` times. Returns how many were not sent, because too many still wait to be read. */
  notify(text: string, count = 1): number {
    if (this.#state !== "open") return count
    let unsent = count
    while (unsent > 0) {
      const room = Notice.MAX_BYTES - this.#queuedNoticeBytes
      const sent = Math.min(unsent, Math.floor(room / Buffer.byteLength(text)))
      if (sent === 0 || !this.send({ bytes: Buffer.from(text.repeat(sent)), messages: 0 })) break
      unsent -= sent
    }
    return unsent
  }

  /**
   * Takes nothing more. Sends what waits, then `farewell`, then ends our side. What waited for a client that overflowed has been
   * dropped.
   */
  end(farewell: string | undefined, kind: DisconnectKind): void {
    if (this.#state === "ending" || this.#state === "ended") return
    this.#state = "ending"
    this.#reason = kind
    if (farewell !== undefined) this.#push({ bytes: Buffer.from(farewell), messages: 0 })
    if (!this.#blocked) this.#pump()
  }

  /** Drops everything, for a connection that is gone. */
  close(): void {
    this.#state = "ended"
    this.#clear()
  }

  #enqueue(chunk: Chunk): boolean {
    if (this.#state !== "open" || !this.#makeRoom(chunk)) return false
    this.#push(chunk)
    this.#checkSlow()
    return true
  }

  #write(chunk: Chunk): boolean {
    const { bytes } = chunk
    this.#sentMessages += chunk.messages
    this.#sentBytes += bytes.length
    return this.#connection.writeUnsafe(bytes, chunk.batch)
  }

  /** Writes what waits until the connection takes no more. */
  #pump(): void {
    if (this.#state === "ended") return
    while (!this.#blocked && (this.#newest !== undefined || this.#dropped > 0)) {
      this.#connection.corkUnsafe()
      let accepting = this.#reportDropped()
      while (accepting && this.#newest !== undefined) accepting = this.#write(this.#take(this.#newest))
      this.#uncork(accepting)
    }
    this.#checkSlow()
    if (this.#state === "ending" && this.#newest === undefined) {
      this.#state = "ended"
      this.#connection.endUnsafe(this.#reason)
    }
  }

  /** Only an uncorked connection knows whether the kernel has taken everything. */
  #uncork(accepting: boolean): void {
    this.#connection.uncorkUnsafe()
    this.#blocked = !accepting && this.#connection.unsentBytes() > 0
  }

  #reportDropped(): boolean {
    if (this.#dropped === 0) return true
    const messages = this.#dropped
    this.#dropped = 0
    return this.#write({ bytes: Buffer.from(Notice.messagesDropped(messages)), messages: 0 })
  }

  #checkSlow(): void {
    if (this.#state !== "open") return
    const isSlow = this.waitingBytes > this.#limits.soft_limit_bytes
    if (!isSlow && !this.#slow) return
    const isNearlyFull = isSlow && this.#countedBytes > this.#limits.hard_limit_bytes * NEARLY_FULL
    if (isSlow !== this.#slow) {
      this.#slow = isSlow
      this.#nearlyFull = isNearlyFull
      if (isSlow) this.#events.onSlow()
      else this.#events.onCaughtUp()
    } else if (isNearlyFull !== this.#nearlyFull) {
      this.#nearlyFull = isNearlyFull
      this.#events.onNearlyFull?.(isNearlyFull)
    }
  }

  /** Bytes that count against the hard limit. */
  get #countedBytes(): number {
    const older = this.#older === undefined ? 0 : Queue.sizeUnsafe(this.#older)
    return this.waitingBytes + Math.max(0, older - FREE_ENTRIES) * ENTRY_BYTES
  }

  /** Applies the policy at the hard limit. Returns whether to queue `chunk`. */
  #makeRoom(chunk: Chunk): boolean {
    const limit = this.#limits.hard_limit_bytes - chunk.bytes.length
    if (this.#countedBytes <= limit) return true
    switch (this.#limits.policy) {
      case "disconnect":
        this.#state = "overflowed"
        this.#clear()
        this.#events.onOverflow()
        return false
      case "drop_oldest": {
        let dropped = 0
        while (this.#countedBytes > limit && this.#newest !== undefined) dropped += this.#take(this.#newest).messages
        const fits = this.#countedBytes <= limit
        this.#drop(fits ? dropped : dropped + chunk.messages)
        return fits
      }
      case "drop_newest":
        this.#drop(chunk.messages)
        return false
    }
  }

  #drop(messages: number): void {
    if (messages === 0) return
    this.#dropped += messages
    this.#events.onDropped(messages)
  }

  #push(chunk: Chunk): void {
    const { length } = chunk.bytes
    this.#queuedBytes += length
    if (chunk.messages === 0) this.#queuedNoticeBytes += length
    const newest = this.#newest
    const merged = newest && this.#merge(newest, chunk)
    if (newest !== undefined && merged === undefined) {
      this.#older ??= Effect.runSync(Queue.unbounded<Chunk | Run>())
      Queue.offerUnsafe(this.#older, newest)
    }
    this.#newest = merged ?? chunk
  }

  /** Both as one entry, if they are neighbours in memory. */
  #merge(entry: Chunk | Run, chunk: Chunk): Run | undefined {
    const length = lengthOf(entry) + chunk.bytes.length
    if (entry.messages === 0 || chunk.messages === 0 || length > this.#limits.hard_limit_bytes * LONGEST_RUN) return
    if (!(entry instanceof Run) && entry.bytes.byteOffset + entry.bytes.length !== chunk.bytes.byteOffset) return
    const run = entry instanceof Run ? entry : new Run(entry)
    return run.extend(chunk) ? run : undefined
  }

  /** Takes the oldest entry, which is `newest` if no other waits. */
  #take(newest: Chunk | Run): Chunk {
    const oldest = this.#older && Queue.takeUnsafe(this.#older)
    const chunk = oldest !== undefined && Exit.isSuccess(oldest) ? oldest.value : newest
    if (chunk === newest) {
      this.#newest = undefined
      this.#older = undefined
    }
    const { length } = chunk.bytes
    this.#queuedBytes -= length
    if (chunk.messages === 0) this.#queuedNoticeBytes -= length
    return chunk
  }

  #clear(): void {
    if (this.#older !== undefined) Queue.shutdownUnsafe(this.#older)
    this.#newest = undefined
    this.#older = undefined
    this.#queuedBytes = 0
    this.#queuedNoticeBytes = 0
  }
}
