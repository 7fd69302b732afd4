/**
 * The form of a batch between processes: a header, and the envelopes as clients get them. One message of NATS is one frame: a batch, or, where
 * NATS takes no message so large, a piece of one.
 *
 * | bytes | meaning                                                                       |
 * | ----- | ----------------------------------------------------------------------------- |
 * | 0     | version of this form                                                          |
 * | 1     | 1 for the last piece of its batch, else 0                                     |
 * | 2–3   | number of the piece within its batch                                          |
 * | 4–11  | the process that it comes from                                                |
 * | 12–17 | number of the batch among those of that process                               |
 * | 18–21 | lines in the batch                                                            |
 * | 22–27 | bytes that the process has published so far, up to the end of the batch       |
 * | 28–31 | batches right before it that the process has dropped                          |
 *
 * Numbers are unsigned, the most significant byte first.
 */
import type { Chunk } from "../room/Outbox.ts"

export const VERSION = 2
export const HEADER_BYTES = 32
export const ORIGIN_BYTES = 8

const PIECE_AT = 2
const ORIGIN_AT = 4
const SEQUENCE_AT = ORIGIN_AT + ORIGIN_BYTES
const SEQUENCE_BYTES = 6
const LINES_AT = SEQUENCE_AT + SEQUENCE_BYTES
const END_AT = LINES_AT + 4
const END_BYTES = 6
const DROPPED_AT = END_AT + END_BYTES
const MAX_DROPPED = 2 ** 32 - 1

/** A batch as its process has numbered it. */
export interface Batch {
  readonly sequence: number
  /** Whole lines, in order. */
  readonly parts: ReadonlyArray<Chunk>
  /** Of all parts. */
  readonly bytes: number
  readonly lines: number
  /** Bytes that the process has published, up to the end of this batch. */
  readonly end: number
  /** Batches right before it that were dropped. Grows while it waits. */
  dropped: number
}

/** The size of a batch. */
export const sizeOf = (parts: ReadonlyArray<Chunk>): { readonly bytes: number; readonly lines: number } => {
  let bytes = 0
  let lines = 0
  for (const part of parts) {
    bytes += part.bytes.length
    lines += part.messages
  }
  return { bytes, lines }
}

/** A frame that has arrived. */
export interface Frame {
  /** In hexadecimal digits. */
  readonly origin: string
  readonly sequence: number
  readonly piece: number
  readonly isLast: boolean
  /** In the whole batch. */
  readonly lines: number
  /** As in `Batch`. */
  readonly end: number
  readonly dropped: number
  /** Shares its memory with the frame. */
  readonly content: Uint8Array
}

/**
 * The frames of a batch.
 *
 * @param origin `ORIGIN_BYTES` that tell the process
 * @param maxBytes the longest frame, more than `HEADER_BYTES`
 */
export const encode = (origin: Uint8Array, batch: Batch, maxBytes: number): ReadonlyArray<Uint8Array> => {
  const maxContent = maxBytes - HEADER_BYTES
  const frames: Array<Uint8Array> = []
  let left = batch.bytes
  let part = 0
  let offset = 0
  do {
    const length = Math.min(left, maxContent)
    const frame = Buffer.allocUnsafe(HEADER_BYTES + length)
    frame[0] = VERSION
    frame[1] = left === length ? 1 : 0
    frame.writeUInt16BE(frames.length, PIECE_AT)
    frame.set(origin, ORIGIN_AT)
    frame.writeUIntBE(batch.sequence, SEQUENCE_AT, SEQUENCE_BYTES)
    frame.writeUInt32BE(batch.lines, LINES_AT)
    frame.writeUIntBE(batch.end, END_AT, END_BYTES)
    frame.writeUInt32BE(Math.min(batch.dropped, MAX_DROPPED), DROPPED_AT)
    let at = HEADER_BYTES
    while (at < frame.length) {
      const { bytes } = batch.parts[part]!
      const slice = bytes.subarray(offset, offset + frame.length - at)
      frame.set(slice, at)
      at += slice.length
      offset += slice.length
      if (offset === bytes.length) {
        part++
        offset = 0
      }
    }
    frames.push(frame)
    left -= length
  } while (left > 0)
  return frames
}

/** @returns `undefined` for bytes that are no frame of this version, or that no process sends */
export const decode = (bytes: Uint8Array): Frame | undefined => {
  if (bytes.length < HEADER_BYTES || bytes[0] !== VERSION) return undefined
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const decoded: Frame = {
    origin: frame.toString("hex", ORIGIN_AT, SEQUENCE_AT),
    sequence: frame.readUIntBE(SEQUENCE_AT, SEQUENCE_BYTES),
    piece: frame.readUInt16BE(PIECE_AT),
    isLast: frame[1] === 1,
    lines: frame.readUInt32BE(LINES_AT),
    end: frame.readUIntBE(END_AT, END_BYTES),
    dropped: frame.readUInt32BE(DROPPED_AT),
    content: frame.subarray(HEADER_BYTES)
  }
  const { content, dropped, end, lines, sequence } = decoded
  const isPossible = frame[1]! <= 1 && sequence > dropped && lines > 0 && content.length > 0 && end >= content.length
  return isPossible ? decoded : undefined
}
