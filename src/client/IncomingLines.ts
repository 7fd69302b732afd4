const LINE_FEED = 10
const CARRIAGE_RETURN = 13

/** The longest line shown whole, in bytes, far above the limit of a relay. */
export const MAX_LINE_BYTES = 1_048_576

/** A line received from the server. */
export interface Line {
  /** The line without its line feed. */
  readonly bytes: Buffer
  /** Whether `bytes` is only the beginning of a line longer than the limit. */
  readonly isCut: boolean
}

/** The text of a line, without a `\r` before its line feed. */
export const text = ({ bytes, isCut }: Line): string =>
  bytes.toString("utf8", 0, !isCut && bytes.at(-1) === CARRIAGE_RETURN ? bytes.length - 1 : bytes.length)

/**
 * Splits the stream of a server into lines. An overlong line is cut, not dropped, to show what an unknown server sends. Memory held for
 * an unfinished line never exceeds the limit.
 */
export class IncomingLines {
  readonly #maxBytes: number
  #unfinished = Buffer.alloc(0)
  #length = 0
  /** Discards the rest of a line that was already returned cut. */
  #skipping = false

  /** @param maxBytes the longest line returned whole */
  constructor(maxBytes = MAX_LINE_BYTES) {
    this.#maxBytes = maxBytes
  }

  /** Adds a chunk and returns the lines that it completes, which share its memory. */
  push(chunk: Buffer): Array<Line> {
    const lines: Array<Line> = []
    let start = 0
    while (start < chunk.length) {
      const found = chunk.indexOf(LINE_FEED, start)
      const end = found === -1 ? chunk.length : found
      if (!this.#skipping) this.#add(chunk.subarray(start, end), found !== -1, lines)
      if (found !== -1) this.#skipping = false
      start = end + 1
    }
    return lines
  }

  /** Ends the stream and returns the unfinished line, if any. */
  end(): Array<Line> {
    const lines: Array<Line> = this.#length > 0 ? [this.#take(false)] : []
    this.#skipping = false
    return lines
  }

  #add(part: Buffer, isFinished: boolean, lines: Array<Line>): void {
    const capacity = this.#maxBytes - this.#length
    if (part.length > capacity) {
      this.#keep(part.subarray(0, capacity))
      lines.push(this.#take(true))
      this.#skipping = true
    } else if (!isFinished) {
      this.#keep(part)
    } else if (this.#length === 0) {
      lines.push({ bytes: part, isCut: false })
    } else {
      this.#keep(part)
      lines.push(this.#take(false))
    }
  }

  #keep(part: Buffer): void {
    const length = this.#length + part.length
    if (length > this.#unfinished.length) {
      const grown = Buffer.allocUnsafe(Math.min(this.#maxBytes, Math.max(length, this.#unfinished.length * 2)))
      this.#unfinished.copy(grown, 0, 0, this.#length)
      this.#unfinished = grown
    }
    part.copy(this.#unfinished, this.#length)
    this.#length = length
  }

  #take(isCut: boolean): Line {
    const bytes = this.#unfinished.subarray(0, this.#length)
    this.#unfinished = Buffer.alloc(0)
    this.#length = 0
    return { bytes, isCut }
  }
}
