import type { ServerConfig } from "../config/CurrentConfig.ts"
import { Fifo } from "../internal/Fifo.ts"
import { BatchMemory } from "./BatchMemory.ts"
import type { Chunk } from "./Outbox.ts"

/** Bytes that an entry costs beside its content: objects, and an array element. */
const ENTRY_BYTES = 256

const LINE_FEED = 0x0a

/** The groups `history` and `slow_consumer`. Read at each use, because a reload changes them. */
export type HistoryLimits = ServerConfig["Service"]["history"]
export type BacklogLimits = Pick<ServerConfig["Service"]["hyper_parameters"]["slow_consumer"], "soft_limit_bytes">

interface Entry extends Chunk {
  readonly bytes: Buffer<ArrayBuffer>
  readonly atMillis: number
  /** A client has been given it, whose backlog may have it still. */
  isGiven: boolean
}

/**
 * The last lines of the room, for clients that join: copies, as the room uses its memory again. Holds no more than the limits, and the rest
 * of the oldest entry that is within them.
 */
export class History {
  readonly #limits: HistoryLimits
  readonly #backlog: BacklogLimits
  readonly #memory = new BatchMemory()
  readonly #entries = new Fifo<Entry>()
  #lines = 0
  #bytes = 0

  /** `limits`: `lines` 0: nothing is kept. `backlog`: of a client: what it gets does not make it slow. */
  constructor(limits: HistoryLimits, backlog: BacklogLimits) {
    this.#limits = limits
    this.#backlog = backlog
  }

  get isOn(): boolean {
    return this.#limits.lines > 0
  }

  /** What the entries cost, in bytes. */
  get bytes(): number {
    return this.#bytes
  }

  /** Keeps what a client can get of lines that have been sent to all. */
  add(chunk: Chunk, nowMillis: number): void {
    const last = lastLines(chunk, this.#limits.lines, this.#maxBytes())
    // Lines before those that are left out are not the last.
    if (last.messages < chunk.messages) this.#dropWhile(() => true)
    if (last.messages === 0) return
    const bytes = this.#memory.take(last.bytes.length)
    bytes.set(last.bytes)
    this.#entries.push({ bytes, messages: last.messages, atMillis: nowMillis, isGiven: false })
    this.#lines += last.messages
    this.#bytes += costOf(last)
    this.#dropOld(nowMillis)
  }

  /** What a client gets that joins now. */
  chunks(nowMillis: number): ReadonlyArray<Chunk> {
    this.#dropOld(nowMillis)
    const { lines } = this.#limits
    const kept = this.#entries.rest
    if (kept.length === 0) return kept
    for (const entry of kept) entry.isGiven = true
    const [first, ...rest] = kept
    const restBytes = rest.reduce((sum, { bytes }) => sum + bytes.length, 0)
    const restLines = this.#lines - first!.messages
    const last = lastLines(first!, lines - restLines, this.#maxBytes() - restBytes)
    return last.messages === 0 ? rest : [last, ...rest]
  }

  #maxBytes(): number {
    return Math.min(this.#limits.bytes, this.#backlog.soft_limit_bytes)
  }

  /** Drops the oldest entries as long as the others are enough. */
  #dropOld(nowMillis: number): void {
    const { lines, seconds } = this.#limits
    const maxBytes = this.#maxBytes()
    this.#dropWhile((first) => {
      const isOld = seconds !== null && nowMillis - first.atMillis > seconds * 1000
      return isOld || this.#lines - first.messages >= lines || this.#bytes - costOf(first) >= maxBytes
    })
  }

  #dropWhile(isToDrop: (first: Entry) => boolean): void {
    for (let first = this.#entries.first; first !== undefined && isToDrop(first); first = this.#entries.first) {
      this.#lines -= first.messages
      this.#bytes -= costOf(first)
      this.#entries.shift()
      if (!first.isGiven) this.#memory.release(first.bytes)
    }
  }
}

const costOf = ({ bytes }: Chunk): number => bytes.length + ENTRY_BYTES

/** The last lines of a chunk, `lines` and `maxBytes` at most. */
const lastLines = (chunk: Chunk, lines: number, maxBytes: number): Chunk => {
  const { bytes, messages } = chunk
  if (messages <= lines && bytes.length <= maxBytes) return chunk
  let from = bytes.length
  let taken = 0
  while (taken < Math.min(lines, messages)) {
    const start = bytes.lastIndexOf(LINE_FEED, from - 2) + 1
    if (bytes.length - start > maxBytes) break
    from = start
    taken++
  }
  return { bytes: bytes.subarray(from), messages: taken }
}
