import { wholeLines } from "../protocol/wholeLines.ts"
import type { Chunk } from "../room/Outbox.ts"
import type { Frame } from "./Frame.ts"

/** The most processes whose numbers are remembered; of more, the one heard longest ago is forgotten. */
const MAX_ORIGINS = 1024

/** The most bytes of a batch of which a piece is missing: the longest line there can be, and a batch of short ones. */
const MAX_BATCH_BYTES = 17 * 1024 * 1024

/** The most bytes of all such batches. Of more, the one that began first is given up. */
export const MAX_UNFINISHED_BYTES = 2 * MAX_BATCH_BYTES

/** How long the rest of such a batch is waited for, in milliseconds. The pieces of one are published one right after the other. */
export const UNFINISHED_MILLIS = 10_000

/** What a piece takes beside its bytes. */
const PIECE_BYTES = 128

/**
 * Batches that may be missing before one, and that may come again after one. A number beyond does not belong to the row: whoever sends it
 * is not the process that it names, or has not been heard for long.
 */
const MAX_MISSING = 64
const MAX_REPEATED = 32_768

/** Rows of one process that are told apart. */
const MAX_ROWS = 4

/** More than these cannot have been missed: a number so far on is made up, or another beginning. */
const MAX_LOST = 2 ** 24

/** Consecutive batches of one process. There are more rows than one only after a long gap, or if somebody else uses its name. */
interface Row {
  /** The last batch that is done with, whether it arrived or not. */
  sequence: number
  /** Batches that have arrived. */
  arrived: number
  /** Batches between the last row and this one: lost, if this one is the process's own, which its second batch shows. */
  readonly gap: number
  /** The pieces of the batch under way, and the bytes in them. */
  pieces: Array<Uint8Array>
  bytes: number
  sinceMillis: number
}

const newRow = (sequence: number, gap: number): Row => ({
  sequence,
  arrived: 0,
  gap,
  pieces: [],
  bytes: 0,
  sinceMillis: 0
})

/** What the pieces of a row take. */
const heldBytes = ({ bytes, pieces }: Row): number => bytes + pieces.length * PIECE_BYTES

/** What becomes of a frame. */
export interface Arrival {
  /** A batch that is complete now. */
  readonly batch: Chunk | undefined
  /** Batches before it that will not come any more. */
  readonly lost: number
  /** It was there before. */
  readonly isDuplicate: boolean
  /** It is not what it says: dropped. */
  readonly isMalformed?: boolean
  /** Its number is far from those before it. */
  readonly isLeap?: boolean
}

const MALFORMED: Arrival = { batch: undefined, lost: 0, isDuplicate: false, isMalformed: true }

/**
 * Makes batches of the frames of other processes: each batch once, those of one process in order, and it is known how many are missing.
 *
 * Whoever may publish can send any frame by any name. What is not whole lines goes no further, unfinished batches are bounded in all and in
 * time, and a number that is made up does not keep the process itself from being heard.
 */
export class Inbound {
  readonly #maxLineBytes: number
  /** By process; of its rows the one that was heard last comes first. */
  readonly #origins = new Map<string, Array<Row>>()
  /** Rows with pieces, in the order in which these began. */
  readonly #unfinished = new Set<Row>()
  #unfinishedBytes = 0

  /** @param maxLineBytes the longest envelope, in bytes with its line feed */
  constructor(maxLineBytes: number) {
    this.#maxLineBytes = maxLineBytes
  }

  /** Bytes of all unfinished batches, and what they take beside. */
  get unfinishedBytes(): number {
    return this.#unfinishedBytes
  }

  /**
   * Whoever is heard for the first time may have said something before: that is not lost, but came too early for this process.
   *
   * @param nowMillis of a clock that never goes back
   */
  take(frame: Frame, nowMillis: number): Arrival {
    const { origin, sequence } = frame
    const isWhole = frame.isLast && frame.piece === 0
    if (isWhole && !this.#isTrue(frame.content, frame.lines)) return MALFORMED
    const rows = this.#origins.get(origin) ?? [newRow(sequence - 1, 0)]
    // Who was heard last comes last.
    this.#origins.delete(origin)
    this.#origins.set(origin, rows)
    if (this.#origins.size > MAX_ORIGINS) this.#forgetOldest()

    if (rows.length > 1) {
      const continued = rows.findIndex((row) => sequence === row.sequence + 1)
      if (continued > 0) rows.unshift(...rows.splice(continued, 1))
    }
    const distance = sequence - rows[0]!.sequence
    if (distance <= MAX_MISSING + 1 && distance >= -MAX_REPEATED) return this.#takeInRow(rows[0]!, frame, nowMillis)
    rows.unshift(newRow(sequence - 1, distance > 0 && distance < MAX_LOST ? distance - 1 : 0))
    if (rows.length > MAX_ROWS) this.#drop(rows.pop()!)
    return { ...this.#takeInRow(rows[0]!, frame, nowMillis), isLeap: true }
  }

  /**
   * Gives up what has been unfinished for too long.
   *
   * @returns how many batches that were
   */
  expire(nowMillis: number): number {
    let expired = 0
    for (const row of this.#unfinished) {
      if (nowMillis - row.sinceMillis < UNFINISHED_MILLIS) break
      this.#advance(row, row.sequence + 1)
      expired++
    }
    return expired
  }

  #takeInRow(row: Row, { content, isLast, lines, piece, sequence }: Frame, nowMillis: number): Arrival {
    // The rest of a batch that was given up is no news, either.
    if (sequence <= row.sequence) return { batch: undefined, lost: 0, isDuplicate: piece === 0 }
    let lost = sequence - row.sequence - 1
    if (lost > 0) this.#advance(row, sequence - 1)
    if (piece === 0) this.#drop(row)
    if (piece !== row.pieces.length || row.bytes + content.length > MAX_BATCH_BYTES) {
      // A piece is missing, so the rest is of no use.
      this.#advance(row, sequence)
      return { batch: undefined, lost: lost + 1, isDuplicate: false }
    }
    if (isLast) {
      const bytes = piece === 0 ? content : Buffer.concat([...row.pieces, content])
      this.#advance(row, sequence)
      if (piece > 0 && !this.#isTrue(bytes, lines)) return { ...MALFORMED, lost }
      if (++row.arrived === 2) lost += row.gap
      return { batch: { bytes, messages: lines }, lost, isDuplicate: false }
    }
    if (piece === 0) {
      row.sinceMillis = nowMillis
      this.#unfinished.add(row)
    }
    // A copy: a piece may be few of many bytes that have arrived together.
    row.pieces.push(Uint8Array.from(content))
    row.bytes += content.length
    this.#unfinishedBytes += content.length + PIECE_BYTES
    for (const oldest of this.#unfinished) {
      if (this.#unfinishedBytes <= MAX_UNFINISHED_BYTES) break
      this.#advance(oldest, oldest.sequence + 1)
      lost++
    }
    return { batch: undefined, lost, isDuplicate: false }
  }

  /** Whether these are whole lines, and as many as somebody says. */
  #isTrue(bytes: Uint8Array, lines: number): boolean {
    return wholeLines(bytes, this.#maxLineBytes) === lines
  }

  #advance(row: Row, sequence: number): void {
    row.sequence = sequence
    this.#drop(row)
  }

  /** Keeps nothing of the batch under way. */
  #drop(row: Row): void {
    if (!this.#unfinished.delete(row)) return
    this.#unfinishedBytes -= heldBytes(row)
    row.pieces = []
    row.bytes = 0
  }

  #forgetOldest(): void {
    for (const [oldest, rows] of this.#origins) {
      this.#origins.delete(oldest)
      for (const row of rows) this.#drop(row)
      return
    }
  }
}
