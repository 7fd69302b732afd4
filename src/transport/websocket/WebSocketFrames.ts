/**
 * Converts between lines and the frames of RFC 6455.
 *
 * Libraries buffer a whole message, and close the connection if it is too long or not UTF-8. Here parts of a message are passed on at once,
 * and `protocol/LineFraming` bounds and checks lines as it does for TCP (docs/decisions.md).
 */

import { isUtf8 } from "node:buffer"
import { lowerBound } from "../../internal/Fifo.ts"
import { BatchMemory, onceReleased } from "../../room/BatchMemory.ts"

const FIN = 0x80
const RESERVED = 0x70
const MASKED = 0x80

const CONTINUATION = 0x0
const TEXT = 0x1
const BINARY = 0x2
/** The lowest opcode of a control frame. */
const CONTROL = 0x8
const CLOSE_OPCODE = 0x8
const PING_OPCODE = 0x9
const PONG_OPCODE = 0xa

/** The longest payload of a control frame, in bytes. */
const MAX_CONTROL_BYTES = 125
/** The longest payload whose length fits into the first two bytes of a frame. */
const MAX_TINY_BYTES = 125
/** The longest payload with a length of two bytes, and the marker of such a length. */
const MAX_SHORT_BYTES = 0xffff
const SHORT = 126
/** The marker of a length of eight bytes. */
const LONG = 127

/** Frames without the end of a message that a client may send between two calls of `resetEmptyFrames`: limits on lines do not count them. */
export const MAX_EMPTY_FRAMES = 4096

/** Two bytes, eight for the length, four for the mask. */
const MAX_HEADER_BYTES = 14
const MASK_BYTES = 4

const LINE_FEED = 0x0a

/** Status codes of close frames (RFC 6455, section 7.4). */
export const NORMAL = 1000
export const GOING_AWAY = 1001
export const PROTOCOL_ERROR = 1002
export const INVALID_PAYLOAD = 1007
export const POLICY = 1008
export const INTERNAL_ERROR = 1011
export const TRY_AGAIN_LATER = 1013

/** How the frames of a client ended: with a close frame and its optional code, or with a protocol error and the code to answer. */
export type Ending =
  | { readonly code: number | undefined }
  | { readonly problem: string; readonly code: typeof PROTOCOL_ERROR | typeof INVALID_PAYLOAD }

const violation = (problem: string): Ending => ({ problem, code: PROTOCOL_ERROR })

/**
 * Decodes the frames of one client to lines: the payload of each message, ended by `\n` unless that is its last byte. Holds at most the
 * header of a frame and the payload of a control frame, however long a message is.
 */
export class FrameDecoder {
  /** Set when decoding has stopped. */
  ending: Ending | undefined
  /** The payload of the latest ping, the only one that must be answered (RFC 6455, section 5.5.3). */
  ping: Uint8Array | undefined

  readonly #header = new Uint8Array(MAX_HEADER_BYTES)
  #headerBytes = 0
  /** The header is complete, the payload is not. */
  #isInPayload = false
  #opcode = CONTINUATION
  #isFinal = false
  #payloadBytesLeft = 0
  /** Index of the next byte of the mask. */
  #maskIndex = 0
  /** The payload of a control frame so far. */
  #control: Array<number> = []
  #isInMessage = false
  /** Frames since the last one that ended a message. */
  #emptyFrames = 0
  /** Of the message so far. */
  #lastByte = 0

  get isInMessage(): boolean {
    return this.#isInMessage
  }

  /**
   * @param chunk received bytes; overwritten
   * @returns the lines, or parts of lines, in the chunk: in its memory if they fit, else at the beginning of memory of their own
   */
  decode(chunk: Uint8Array): Uint8Array {
    // The header of a frame leaves space for its line end; a chunk that begins within a payload may lack a header.
    const out = this.#isInPayload ? Buffer.allocUnsafeSlow(chunk.length + 1) : chunk
    let from = 0
    let to = 0
    while (this.ending === undefined) {
      if (!this.#isInPayload) {
        if (from === chunk.length) break
        this.#header[this.#headerBytes++] = chunk[from++]!
        if (this.#headerBytes < 2) continue
        const problem = this.#headerBytes === 2 ? this.#problem() : undefined
        if (problem !== undefined) this.ending = violation(problem)
        else if (this.#headerBytes === this.#headerLength()) this.#beginPayload()
        continue
      }
      const length = Math.min(this.#payloadBytesLeft, chunk.length - from)
      if (this.#opcode >= CONTROL) {
        for (let i = from; i < from + length; i++) this.#control.push(chunk[i]! ^ this.#nextMaskByte())
      } else if (length > 0) {
        this.#unmask(chunk, from, from + length, out, to)
        to += length
        this.#lastByte = out[to - 1]!
      }
      from += length
      this.#payloadBytesLeft -= length
      if (this.#payloadBytesLeft > 0) break
      this.#isInPayload = false
      this.#headerBytes = 0
      if (this.#opcode >= CONTROL) {
        this.#handleControl()
        this.#countEmpty()
      } else if (!this.#isFinal) {
        this.#countEmpty()
      } else {
        this.#emptyFrames = 0
        this.#isInMessage = false
        if (this.#lastByte !== LINE_FEED) out[to++] = LINE_FEED
      }
    }
    return out.subarray(0, to)
  }

  /** A client that only listens answers pings for years. */
  resetEmptyFrames(): void {
    this.#emptyFrames = 0
  }

  #countEmpty(): void {
    if (++this.#emptyFrames > MAX_EMPTY_FRAMES) this.ending ??= violation("too many frames that end no message")
  }

  #problem(): string | undefined {
    const [first, second] = this.#header as unknown as [number, number]
    const opcode = first & 0x0f
    const isFinal = (first & FIN) !== 0
    if ((first & RESERVED) !== 0) return "a frame with reserved bits"
    if ((second & MASKED) === 0) return "a frame without a mask"
    switch (opcode) {
      case TEXT:
      case BINARY:
        return this.#isInMessage ? "a message within a message" : undefined
      case CONTINUATION:
        return this.#isInMessage ? undefined : "a continuation of no message"
      case CLOSE_OPCODE:
      case PING_OPCODE:
      case PONG_OPCODE:
        if (!isFinal) return "a control frame in parts"
        return (second & ~MASKED) > MAX_CONTROL_BYTES ? "a control frame that is too long" : undefined
      default:
        return `a frame of the unknown kind ${opcode}`
    }
  }

  #headerLength(): number {
    const length = this.#header[1]! & ~MASKED
    return 2 + (length === LONG ? 8 : length === SHORT ? 2 : 0) + MASK_BYTES
  }

  #beginPayload(): void {
    const header = this.#header
    const [first, second] = header as unknown as [number, number]
    const lengthEnd = this.#headerBytes - MASK_BYTES
    let length = second & ~MASKED
    if (length >= SHORT) {
      length = 0
      for (let i = 2; i < lengthEnd; i++) length = length * 256 + header[i]!
      if (length > Number.MAX_SAFE_INTEGER) {
        this.ending = violation("a frame that is too long")
        return
      }
      if (length <= (lengthEnd === 4 ? MAX_TINY_BYTES : MAX_SHORT_BYTES)) {
        this.ending = violation("a frame whose length is not written in the shortest way")
        return
      }
    }
    this.#isInPayload = true
    this.#isFinal = (first & FIN) !== 0
    this.#opcode = first & 0x0f
    this.#payloadBytesLeft = length
    this.#maskIndex = 0
    if (this.#opcode === TEXT || this.#opcode === BINARY) {
      this.#isInMessage = true
      this.#lastByte = 0
    }
  }

  #nextMaskByte(): number {
    return this.#header[this.#headerBytes - MASK_BYTES + (this.#maskIndex++ & 3)]!
  }

  #unmask(bytes: Uint8Array, start: number, end: number, out: Uint8Array, offset: number): void {
    const [a, b, c, d] = [this.#nextMaskByte(), this.#nextMaskByte(), this.#nextMaskByte(), this.#nextMaskByte()]
    let i = start
    let o = offset
    for (; i + 4 <= end; i += 4, o += 4) {
      out[o] = bytes[i]! ^ a
      out[o + 1] = bytes[i + 1]! ^ b
      out[o + 2] = bytes[i + 2]! ^ c
      out[o + 3] = bytes[i + 3]! ^ d
    }
    // Taking four bytes of the mask above has brought its index back to where it was.
    for (; i < end; i++) out[o++] = bytes[i]! ^ this.#nextMaskByte()
  }

  /** Handles a complete control frame. A pong needs no action: each byte that arrives resets the unanswered pings. */
  #handleControl(): void {
    const payload = this.#control
    this.#control = []
    if (this.#opcode === PING_OPCODE) this.ping = Uint8Array.from(payload)
    if (this.#opcode !== CLOSE_OPCODE) return
    const code = payload.length < 2 ? undefined : payload[0]! * 256 + payload[1]!
    if (payload.length === 1 || (code !== undefined && !isSendable(code))) {
      this.ending = violation("a close frame without a valid code")
    } else if (!isUtf8(Uint8Array.from(payload.slice(2)))) {
      this.ending = { problem: "a close frame whose reason is not UTF-8", code: INVALID_PAYLOAD }
    } else this.ending = { code }
  }
}

/** Whether a close frame may carry this code. */
const isSendable = (code: number): boolean =>
  (code >= 3000 && code <= 4999) || (code >= 1000 && code <= 1014 && !(code >= 1004 && code <= 1006))

const headerBytes = (payloadBytes: number): number =>
  payloadBytes <= MAX_TINY_BYTES ? 2 : payloadBytes <= MAX_SHORT_BYTES ? 4 : 10

/** A batch of lines encoded as frames. */
class Framed {
  readonly frames: Buffer<ArrayBuffer>
  readonly #lines: Buffer
  /** Starts of the lines and of their frames; computed for the first slice. */
  #starts: { readonly ofLines: Uint32Array; readonly ofFrames: Uint32Array } | undefined

  constructor(lines: Uint8Array) {
    this.#lines = Buffer.from(lines.buffer, lines.byteOffset, lines.byteLength)
    let bytes = 0
    this.#forEach((start, end) => {
      bytes += headerBytes(end - start) + end - start
    })
    this.frames = memory.take(bytes)
    let o = 0
    this.#forEach((start, end) => {
      o = writeHeader(this.frames, o, TEXT, end - start)
      o += this.#lines.copy(this.frames, o, start, end)
    })
  }

  /** The frames of the lines `[start, end)`. */
  slice(start: number, end: number): Uint8Array {
    return this.frames.subarray(this.#frameAt(start), this.#frameAt(end))
  }

  #frameAt(lineStart: number): number {
    if (lineStart === this.#lines.length) return this.frames.length
    const { ofFrames, ofLines } = (this.#starts ??= this.#findStarts())
    return ofFrames[lowerBound(ofLines, 0, (start) => start >= lineStart)]!
  }

  #findStarts() {
    const ofLines: Array<number> = []
    const ofFrames: Array<number> = []
    let frame = 0
    this.#forEach((start, end) => {
      ofLines.push(start)
      ofFrames.push(frame)
      frame += headerBytes(end - start) + end - start
    })
    return { ofLines: Uint32Array.from(ofLines), ofFrames: Uint32Array.from(ofFrames) }
  }

  #forEach(visit: (start: number, end: number) => void): void {
    const lines = this.#lines
    for (let start = 0, end; (end = lines.indexOf(LINE_FEED, start)) !== -1; start = end + 1) visit(start, end)
  }
}

/** The frames of a batch, shared by all clients that it goes to. */
const framed = new WeakMap<Uint8Array, Framed>()
const memory = new BatchMemory()

const framedOf = (batch: Uint8Array): Framed => {
  const known = framed.get(batch)
  if (known !== undefined) return known
  const made = new Framed(batch)
  framed.set(batch, made)
  onceReleased(batch, () => {
    framed.delete(batch)
    memory.release(made.frames)
  })
  return made
}

/**
 * Encodes each line, without its line end, as a text frame. Frames of a server have no mask, so all clients share them.
 *
 * @param lines whole lines; bytes that have changed are another object
 * @param batch the batch of which `lines` is a slice, if any
 */
export const ofLines = (lines: Uint8Array, batch?: Uint8Array): Uint8Array => {
  if (batch === undefined) return framedOf(lines).frames
  const start = lines.byteOffset - batch.byteOffset
  return framedOf(batch).slice(start, start + lines.length)
}

const writeHeader = (frames: Buffer, offset: number, opcode: number, payloadBytes: number): number => {
  frames[offset] = FIN | opcode
  if (payloadBytes <= MAX_TINY_BYTES) {
    frames[offset + 1] = payloadBytes
    return offset + 2
  }
  if (payloadBytes <= MAX_SHORT_BYTES) {
    frames[offset + 1] = SHORT
    return frames.writeUInt16BE(payloadBytes, offset + 2)
  }
  frames[offset + 1] = LONG
  frames.writeUInt32BE(0, offset + 2)
  return frames.writeUInt32BE(payloadBytes, offset + 6)
}

const controlFrame = (opcode: number, payload: Uint8Array): Uint8Array => {
  const frame = Buffer.allocUnsafe(2 + payload.length)
  frame.set(payload, writeHeader(frame, 0, opcode, payload.length))
  return frame
}

export const PING = controlFrame(PING_OPCODE, new Uint8Array(0))

export const pong = (payload: Uint8Array): Uint8Array => controlFrame(PONG_OPCODE, payload)

/** A close frame. `code`: the status code; `undefined` answers a close frame without one. */
export const close = (code: number | undefined): Uint8Array =>
  controlFrame(CLOSE_OPCODE, code === undefined ? new Uint8Array(0) : Uint8Array.of(code >> 8, code & 0xff))
