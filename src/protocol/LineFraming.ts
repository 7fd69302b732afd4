import { isUtf8 } from "node:buffer"
import { giveMemory, takeMemory } from "./LineMemory.ts"

const LINE_FEED = 10
const CARRIAGE_RETURN = 13

/**
 * A result of `LineFraming.next`. `line`: its bytes are `bytes[start, end)`. `oversized`, `not UTF-8`: a line was dropped. `none`: no
 * further complete line.
 */
export type Frame = "line" | "oversized" | "not UTF-8" | "none"

/**
 * Splits the byte stream of a client into lines: ended by `\n`, one `\r` before it stripped (docs/protocol.md).
 *
 * Lines are ranges of the bytes received, so a line costs no allocation. An unfinished line is a copy of at most the longest line
 * allowed, never a slice that would keep a whole read buffer alive.
 */
export class LineFraming {
  /** The latest line is `bytes[start, end)`, valid until the next call. */
  bytes: Uint8Array = EMPTY
  start = 0
  end = 0

  readonly #maxBytes: number
  #chunk: Buffer = EMPTY
  #position = 0
  /** All complete lines of the chunk are UTF-8, checked at once. */
  #chunkIsUtf8 = false
  /** Behind the last line end of the chunk. */
  #linesEnd = 0
  #unfinished = EMPTY
  #unfinishedBytes = 0
  /** The memory of the latest line that was unfinished. */
  #finished = EMPTY
  /** Discards the rest of a line already reported as oversized. */
  #discarding = false
  #ended = false

  /** @param maxBytes the longest line, in bytes without its line end */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Bytes held for an unfinished line. */
  get unfinishedBytes(): number {
    return this.#unfinishedBytes
  }

  /** The latest line is in the latest chunk, whose bytes never change; else in memory that later lines use again. */
  get isInChunk(): boolean {
    return this.bytes === this.#chunk
  }

  /** Adds a chunk. `next` must have returned `none` for the previous one. */
  push(chunk: Uint8Array): void {
    // An object of its own, by which the room knows the bytes: a transport may use one for all its chunks.
    const buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    this.#chunk = buffer
    this.#position = 0
    // The chunk may begin within a character of an unfinished line, which is checked when it is complete.
    const from = this.#unfinishedBytes > 0 || this.#discarding ? buffer.indexOf(LINE_FEED) + 1 : 0
    const to = buffer.lastIndexOf(LINE_FEED)
    this.#linesEnd = to + 1
    this.#chunkIsUtf8 = to > from && isUtf8(buffer.subarray(from, to))
  }

  /**
   * Finds the complete lines left in the chunk, if they are UTF-8: they are `bytes[start, end)`, each with its line end, and any of them
   * may be too long. `skipTo` says how many of them are done; `next` gives the first of the others.
   */
  nextLines(): boolean {
    if (!this.#chunkIsUtf8 || this.#unfinishedBytes > 0 || this.#discarding || this.#position >= this.#linesEnd)
      return false
    this.bytes = this.#chunk
    this.start = this.#position
    this.end = this.#linesEnd
    return true
  }

  /** `position`: behind the last line of `nextLines` that is done. */
  skipTo(position: number): void {
    this.#position = position
  }

  next(): Frame {
    while (true) {
      const newline = this.#position < this.#chunk.length ? this.#chunk.indexOf(LINE_FEED, this.#position) : -1
      if (newline === -1) return this.#keepRest()
      const from = this.#position
      this.#position = newline + 1
      if (this.#discarding) {
        this.#discarding = false
        continue
      }
      if (this.#unfinishedBytes === 0) return this.#found(this.#chunk, from, newline, this.#chunkIsUtf8)
      return this.#keep(from, newline) ? this.#finishUnfinished() : "oversized"
    }
  }

  /** Ends the stream: an unfinished line counts as a line without its `\n`. */
  endOfStream(): void {
    this.#ended = true
  }

  #found(bytes: Uint8Array, start: number, newline: number, isValid: boolean): Frame {
    const end = newline > start && bytes[newline - 1] === CARRIAGE_RETURN ? newline - 1 : newline
    if (end - start > this.#maxBytes) return "oversized"
    if (!isValid && !isUtf8(bytes.subarray(start, end))) return "not UTF-8"
    this.bytes = bytes
    this.start = start
    this.end = end
    return "line"
  }

  #finishUnfinished(): Frame {
    const bytes = this.#unfinished
    const length = this.#unfinishedBytes
    this.#finished = bytes
    this.#unfinished = EMPTY
    this.#unfinishedBytes = 0
    return this.#found(bytes, 0, length, false)
  }

  #keepRest(): Frame {
    giveMemory(this.#finished)
    this.#finished = EMPTY
    const { length } = this.#chunk
    const from = this.#position
    this.#position = length
    if (from === length || this.#discarding || this.#keep(from, length)) {
      this.#chunk = EMPTY
      this.#position = 0
      this.#linesEnd = 0
      return this.#ended && this.#unfinishedBytes > 0 ? this.#finishUnfinished() : "none"
    }
    this.#discarding = true
    return "oversized"
  }

  /** Appends a part of the chunk to the unfinished line. Drops the line and returns `false` if it is too long. */
  #keep(from: number, to: number): boolean {
    const total = this.#unfinishedBytes + to - from
    // One more than a line, because the last byte may be the `\r` of its line end.
    const limit = this.#maxBytes + 1
    if (total > limit) {
      giveMemory(this.#unfinished)
      this.#unfinished = EMPTY
      this.#unfinishedBytes = 0
      return false
    }
    if (total > this.#unfinished.length) {
      const grown = takeMemory(Math.min(limit, Math.max(total, this.#unfinished.length * 2)))
      this.#unfinished.copy(grown, 0, 0, this.#unfinishedBytes)
      giveMemory(this.#unfinished)
      this.#unfinished = grown
    }
    this.#chunk.copy(this.#unfinished, this.#unfinishedBytes, from, to)
    this.#unfinishedBytes = total
    return true
  }
}

const EMPTY = Buffer.alloc(0)
