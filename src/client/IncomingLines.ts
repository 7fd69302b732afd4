import { MAX_LINE_BYTES } from "./Incoming.ts"

const LINE_FEED = 10
const CARRIAGE_RETURN = 13

/** A line received from the server. */
export interface Line {
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
  readonly #unfinished: Buffer
  #length = 0
  /** Discards the rest of a line that was already returned cut. */
  #skipping = false

  /** @param maxBytes the longest line returned whole */
  constructor(maxBytes = MAX_LINE_BYTES) {
    this.#unfinished = Buffer.allocUnsafe(maxBytes)
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
    if (isFinished && this.#length === 0 && part.length <= this.#unfinished.length) {
      lines.push({ bytes: part, isCut: false })
      return
    }
    const copied = part.copy(this.#unfinished, this.#length)
    this.#length += copied
    this.#skipping = copied < part.length
    if (isFinished || this.#skipping) lines.push(this.#take(this.#skipping))
  }

  #take(isCut: boolean): Line {
    const bytes = Buffer.from(this.#unfinished.subarray(0, this.#length))
    this.#length = 0
    return { bytes, isCut }
  }
}
