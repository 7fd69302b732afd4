/**
 * How workers speak to each other over a stream: a header, and what it announces.
 *
 * | bytes | meaning                                                       |
 * | ----- | ------------------------------------------------------------- |
 * | 0–3   | length of what follows the header                             |
 * | 4     | kind                                                          |
 * | 5–8   | lines in a batch                                              |
 * | 9–14  | number of a batch among those of its worker; of `HELLO`, that of the last one before the link; of `CREDIT`, bytes of batches since then |
 *
 * Numbers are unsigned, the most significant byte first. All workers are of one version, because one primary starts them.
 */
import type { Chunk } from "../room/Outbox.ts"

export const HEADER_BYTES = 15

export const HELLO = 0
export const BATCH = 1
export const CONTROL = 2
export const PLACES = 3
/** How much of the batches has reached the clients: so much more may be sent. */
export const CREDIT = 4
/** There is no credit because clients are slow; said again and again while it is so. */
export const HOLD = 5

/** More than any batch, or any list of addresses. */
export const MAX_CONTENT_BYTES = 64 * 1024 * 1024

/** A batch up to this size is copied behind its header: one buffer, one write. */
const COPIED_BYTES = 16 * 1024

const LINES_AT = 5
const SEQUENCE_AT = 9
const SEQUENCE_BYTES = 6

const writeHeader = (into: Buffer, kind: number, length: number, lines: number, sequence: number): void => {
  into.writeUInt32BE(length, 0)
  into[4] = kind
  into.writeUInt32BE(lines, LINES_AT)
  into.writeUIntBE(sequence, SEQUENCE_AT, SEQUENCE_BYTES)
}

/** A frame that is no batch. */
export const encode = (kind: number, content: string, sequence = 0): Buffer => {
  const length = Buffer.byteLength(content)
  const frame = Buffer.allocUnsafe(HEADER_BYTES + length)
  writeHeader(frame, kind, length, 0, sequence)
  frame.write(content, HEADER_BYTES)
  return frame
}

/** The buffers of a batch, in order, which all links share. */
export const encodeBatch = (
  parts: ReadonlyArray<Chunk>,
  bytes: number,
  lines: number,
  sequence: number
): ReadonlyArray<Chunk> => {
  const isCopied = bytes <= COPIED_BYTES
  const head = Buffer.allocUnsafe(HEADER_BYTES + (isCopied ? bytes : 0))
  writeHeader(head, BATCH, bytes, lines, sequence)
  if (!isCopied) return [{ bytes: head, messages: 0 }, ...parts]
  let at = HEADER_BYTES
  for (const part of parts) {
    head.set(part.bytes, at)
    at += part.bytes.length
  }
  return [{ bytes: head, messages: lines }]
}

/** A frame that has arrived. */
export interface Arrived {
  readonly kind: number
  readonly lines: number
  readonly sequence: number
  /** May share its memory with what else has arrived. */
  readonly content: Buffer
}

const NOTHING = Buffer.alloc(0)

/** Makes frames of the chunks of a stream. */
export class FrameReader {
  readonly #onFrame: (frame: Arrived) => void
  /** The beginning of a header. */
  #rest: Buffer = NOTHING
  /** The frame under way, of which only a part has arrived. */
  #partial: Arrived | undefined
  #filled = 0

  constructor(onFrame: (frame: Arrived) => void) {
    this.#onFrame = onFrame
  }

  /** @returns `false`: this is no stream of frames */
  push(chunk: Buffer): boolean {
    let bytes = chunk
    if (this.#rest.length > 0) {
      bytes = Buffer.concat([this.#rest, chunk])
      this.#rest = NOTHING
    }
    let at = 0
    while (at < bytes.length) {
      if (this.#partial === undefined) {
        if (bytes.length - at < HEADER_BYTES) {
          this.#rest = bytes.subarray(at)
          return true
        }
        const length = bytes.readUInt32BE(at)
        if (length > MAX_CONTENT_BYTES) return false
        const head = {
          kind: bytes[at + 4]!,
          lines: bytes.readUInt32BE(at + LINES_AT),
          sequence: bytes.readUIntBE(at + SEQUENCE_AT, SEQUENCE_BYTES)
        }
        at += HEADER_BYTES
        if (bytes.length - at >= length) {
          this.#onFrame({ ...head, content: bytes.subarray(at, at + length) })
          at += length
        } else {
          this.#partial = { ...head, content: Buffer.allocUnsafeSlow(length) }
          this.#filled = 0
        }
      } else {
        const { content } = this.#partial
        const copied = bytes.copy(content, this.#filled, at)
        at += copied
        this.#filled += copied
        if (this.#filled < content.length) return true
        const frame = this.#partial
        this.#partial = undefined
        this.#onFrame(frame)
      }
    }
    return true
  }
}
