import * as Envelope from "./Envelope.ts"
import { instantiate, type Simd, SPARE_BYTES } from "./simd.ts"

/** What is where in the memory: the table of escapes, the prefix of the sender, lines as they arrived, and envelopes up to the end. */
const PREFIX_AT = 4096
const SOURCE_AT = 8192

/** Bytes of lines that are in the memory at a time: as many as Node.js reads at once. A longer line is encoded in pieces. */
const SOURCE_BYTES = 64 * 1024
const ENVELOPES_AT = SOURCE_AT + SOURCE_BYTES + SPARE_BYTES

const LONGEST_PREFIX = SOURCE_AT - PREFIX_AT - SPARE_BYTES

const EMPTY = new Uint8Array(0)

/** More than fit into the memory. */
const MOST_LINES = SOURCE_BYTES + 1

/**
 * Memory in which envelopes are built one behind the other. Lines are escaped sixteen bytes at a time where the processor can, else by the
 * loop of `Envelope` (docs/decisions.md).
 *
 * The memory never grows, so `bytes` stays what it is. Whatever is to outlive the next envelopes has to be copied.
 */
export class EnvelopeBuffer {
  readonly bytes: Uint8Array
  /** What the last `encodeLines` has encoded: so many lines, the last of which ends before `linesEnd`, its line feed included. */
  lines = 0
  linesEnd = 0
  readonly #simd: Simd | undefined
  /** All of the memory. */
  readonly #memory: Uint8Array
  /** Whose prefix is in the memory. */
  #prefix: Uint8Array = EMPTY
  /** What is in the memory of lines: `#source[#sourceStart, #sourceEnd)`. */
  #source: Uint8Array = EMPTY
  #sourceStart = 0
  #sourceEnd = 0

  /** @param capacity bytes of envelopes that it has space for */
  constructor(capacity: number) {
    const instance = instantiate(ENVELOPES_AT + capacity + SPARE_BYTES)
    this.#simd = instance?.simd
    this.#simd?.fillTable()
    this.#memory = instance === undefined ? EMPTY : new Uint8Array(instance.memory)
    this.bytes =
      instance === undefined ? new Uint8Array(capacity) : new Uint8Array(instance.memory, ENVELOPES_AT, capacity)
  }

  /** Whether `encodeLines` encodes any: only with SIMD. */
  get encodesLines(): boolean {
    return this.#simd !== undefined
  }

  /**
   * Writes the envelope of the line `bytes[start, end)` at `offset`. There must be space for `limit` bytes.
   *
   * @param prefix of the sender, see `Envelope.prefix`
   * @param limit the longest envelope allowed, in bytes with its line feed
   * @param isConstant `bytes` never change: other lines of the same object are not copied again
   * @returns the end of the envelope; -1 if it would be too long
   */
  encode(
    offset: number,
    limit: number,
    prefix: Uint8Array,
    bytes: Uint8Array,
    start: number,
    end: number,
    isConstant: boolean
  ): number {
    const simd = this.#simd
    if (simd === undefined) {
      return Envelope.fits(limit, prefix, bytes, start, end)
        ? Envelope.encode(this.bytes, offset, prefix, bytes, start, end)
        : -1
    }
    const length = end - start
    if (length > SOURCE_BYTES || prefix.length > LONGEST_PREFIX) {
      return this.#encodePieces(simd, offset, limit, prefix, bytes, start, end)
    }
    this.#setPrefix(prefix)
    if (bytes !== this.#source || start < this.#sourceStart || end > this.#sourceEnd || !isConstant) {
      this.#load(bytes, start, isConstant ? Math.min(start + SOURCE_BYTES, bytes.length) : end)
      this.#source = isConstant ? bytes : EMPTY
    }
    const source = SOURCE_AT + start - this.#sourceStart
    const to = simd.encode(ENVELOPES_AT + offset, limit, PREFIX_AT, prefix.length, source, length)
    return to === 0 ? -1 : to - ENVELOPES_AT
  }

  /**
   * Writes the envelopes of the lines in `bytes[start, end)`, each with its line feed, one behind the other at `offset`. It stops behind
   * `most` lines, before an envelope that would begin at `stop` or later or be longer than `limit`, and wherever `encode` has to do it: at
   * a line that is not in the memory at once, or without SIMD at the first.
   *
   * @param bytes never change
   * @returns the end of the last envelope; `lines` and `linesEnd` say what they are of
   */
  encodeLines(
    offset: number,
    stop: number,
    limit: number,
    prefix: Uint8Array,
    bytes: Uint8Array,
    start: number,
    end: number,
    most = MOST_LINES
  ): number {
    const simd = this.#simd
    this.lines = 0
    this.linesEnd = start
    if (simd === undefined || prefix.length > LONGEST_PREFIX) return offset
    this.#setPrefix(prefix)
    if (bytes !== this.#source || start < this.#sourceStart || end > this.#sourceEnd) {
      this.#load(bytes, start, Math.min(start + SOURCE_BYTES, bytes.length))
      this.#source = bytes
    }
    const source = SOURCE_AT + start - this.#sourceStart
    const length = Math.min(end, this.#sourceEnd) - start
    const target = ENVELOPES_AT + offset
    const to = simd.encodeLines(target, ENVELOPES_AT + stop, limit, PREFIX_AT, prefix.length, source, length, most)
    this.lines = simd.lines.value
    this.linesEnd = start + simd.linesEnd.value - source
    return to - ENVELOPES_AT
  }

  #setPrefix(prefix: Uint8Array): void {
    if (prefix === this.#prefix) return
    this.#memory.set(prefix, PREFIX_AT)
    this.#prefix = prefix
  }

  /** The same for what does not fit into the memory at once. */
  #encodePieces(
    simd: Simd,
    offset: number,
    limit: number,
    prefix: Uint8Array,
    bytes: Uint8Array,
    start: number,
    end: number
  ): number {
    this.#source = EMPTY
    let length = prefix.length + Envelope.SUFFIX_BYTES
    for (let from = start; from < end && length <= limit; from += SOURCE_BYTES) {
      length += simd.escapedLength(SOURCE_AT, this.#load(bytes, from, Math.min(from + SOURCE_BYTES, end)))
    }
    if (length > limit) return -1
    this.bytes.set(prefix, offset)
    let to = ENVELOPES_AT + offset + prefix.length
    for (let from = start; from < end; from += SOURCE_BYTES) {
      to = simd.escape(to, SOURCE_AT, this.#load(bytes, from, Math.min(from + SOURCE_BYTES, end)))
    }
    return Envelope.encodeSuffix(this.bytes, to - ENVELOPES_AT)
  }

  /** Copies `bytes[start, end)` into the memory of lines, and returns its length. */
  #load(bytes: Uint8Array, start: number, end: number): number {
    // Makes no slice, as `set` would need.
    Buffer.prototype.copy.call(bytes, this.#memory, SOURCE_AT, start, end)
    this.#sourceStart = start
    this.#sourceEnd = end
    return end - start
  }
}
