const LINE_FEED = 10
const CARRIAGE_RETURN = 13

/** The longest line that is shown whole, in bytes. A relay's own limit is far below it. */
export const MAX_LINE_BYTES = 1_048_576

/** A line of the server. */
export interface Line {
  /** Without its line feed. */
  readonly bytes: Buffer
  /** The line was longer than the limit, and `bytes` is its beginning. */
  readonly isCut: boolean
}

/** The text of a line; one `\r` before the line feed is no part of it. */
export const text = ({ bytes, isCut }: Line): string =>
  bytes.toString("utf8", 0, !isCut && bytes.at(-1) === CARRIAGE_RETURN ? bytes.length - 1 : bytes.length)

/**
 * Cuts what the server sends into lines. An overlong line is cut rather than dropped: whoever looks at an unknown server
 * wants to see what it sends. Memory held for an unfinished line never exceeds the limit.
 */
export class IncomingLines {
  readonly #maxBytes: number
  #unfinished = Buffer.alloc(0)
  #length = 0
  /** The rest of a line that was handed out cut is on its way. */
  #skipping = false

  /** @param maxBytes the longest line that is handed out whole */
  constructor(maxBytes = MAX_LINE_BYTES) {
    this.#maxBytes = maxBytes
  }

  /** Adds what was read and returns the lines it completes. They are valid until the chunk is. */
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

  /** The connection has ended: what is left is a line too. */
  end(): Array<Line> {
    const lines: Array<Line> = this.#length > 0 ? [this.#take(false)] : []
    this.#skipping = false
    return lines
  }

  #add(part: Buffer, isFinished: boolean, lines: Array<Line>): void {
    const room = this.#maxBytes - this.#length
    if (part.length > room) {
      this.#keep(part.subarray(0, room))
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
