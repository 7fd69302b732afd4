/**
 * Messages between relays beside batches: a byte for the kind, which is its version, too, and unlike `Frame.VERSION`; the origin; then the
 * content. Numbers are unsigned, the most significant byte first.
 *
 * | kind            | content                                                                                                |
 * | --------------- | ------------------------------------------------------------------------------------------------------ |
 * | text            | 6 bytes: number of the last batch sent; UTF-8                                                            |
 * | acknowledgement | 6 bytes: bytes published by the receiver, up to the end of the last batch that the origin has handled    |
 * | request         | 4 bytes: token; 6 bytes: number of the batch that the origin expects next from the receiver              |
 * | position        | 4 bytes: token of the request; 6 bytes: number of the batch that comes next                              |
 */
import { ORIGIN_BYTES } from "./Frame.ts"

const TEXT = 0x11
const ACKNOWLEDGEMENT = 0x12
const REQUEST = 0x13
const POSITION = 0x14
const HEADER_BYTES = 1 + ORIGIN_BYTES
const NUMBER_BYTES = 6
const TOKEN_BYTES = 4
const TEXT_AT = HEADER_BYTES + NUMBER_BYTES
const NUMBER_AFTER_TOKEN_AT = HEADER_BYTES + TOKEN_BYTES

/** Bytes of a text message beside the text. */
export const TEXT_OVERHEAD_BYTES = TEXT_AT

const MAX_BYTES = HEADER_BYTES + 256 * 1024

/** A request of one relay, which the answer repeats. */
export interface Request {
  /** Random, 32 bits: only an answer to this request has it. */
  readonly token: number
  /** Number of the batch that is expected next. */
  readonly next: number
}

/** A message that has arrived. */
export type ControlMessage =
  /** `sent`: number of the last batch that `from` has sent. */
  | { readonly _tag: "Text"; readonly from: string; readonly text: string; readonly sent: number }
  /** `end`: bytes that the receiver has published, up to the end of the last batch that `from` has handled. */
  | { readonly _tag: "Acknowledgement"; readonly from: string; readonly end: number }
  /** `from` misses batches of the receiver, from `next` on. */
  | ({ readonly _tag: "Request"; readonly from: string } & Request)
  /** The answer: the batches of `from` go on with `next`; those before it are not kept any more. */
  | ({ readonly _tag: "Position"; readonly from: string } & Request)

const make = (kind: number, origin: Uint8Array, contentBytes: number): Buffer => {
  const message = Buffer.allocUnsafe(HEADER_BYTES + contentBytes)
  message[0] = kind
  message.set(origin, 1)
  return message
}

/**
 * @param origin `ORIGIN_BYTES` that tell the sender
 * @param sent number of the last batch sent
 */
export const encodeText = (origin: Uint8Array, text: string, sent: number): Uint8Array => {
  const content = Buffer.from(text)
  const message = make(TEXT, origin, NUMBER_BYTES + content.length)
  message.writeUIntBE(sent, HEADER_BYTES, NUMBER_BYTES)
  message.set(content, TEXT_AT)
  return message
}

/** @param origin `ORIGIN_BYTES` that tell the sender */
export const encodeAcknowledgement = (origin: Uint8Array, end: number): Uint8Array => {
  const message = make(ACKNOWLEDGEMENT, origin, NUMBER_BYTES)
  message.writeUIntBE(end, HEADER_BYTES, NUMBER_BYTES)
  return message
}

const encodeNumbered =
  (kind: number) =>
  /** @param origin `ORIGIN_BYTES` that tell the sender */
  (origin: Uint8Array, { next, token }: Request): Uint8Array => {
    const message = make(kind, origin, TOKEN_BYTES + NUMBER_BYTES)
    message.writeUInt32BE(token, HEADER_BYTES)
    message.writeUIntBE(next, NUMBER_AFTER_TOKEN_AT, NUMBER_BYTES)
    return message
  }

export const encodeRequest = encodeNumbered(REQUEST)
export const encodePosition = encodeNumbered(POSITION)

/** @returns `undefined` for bytes that are no message of this version, or longer than any */
export const decode = (bytes: Uint8Array): ControlMessage | undefined => {
  const message = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (message.length < HEADER_BYTES + NUMBER_BYTES || message.length > MAX_BYTES) return undefined
  const from = message.toString("hex", 1, HEADER_BYTES)
  const number = message.readUIntBE(HEADER_BYTES, NUMBER_BYTES)
  switch (message[0]) {
    case TEXT:
      return { _tag: "Text", from, text: message.toString("utf8", TEXT_AT), sent: number }
    case ACKNOWLEDGEMENT:
      return { _tag: "Acknowledgement", from, end: number }
    case REQUEST:
    case POSITION: {
      if (message.length < NUMBER_AFTER_TOKEN_AT + NUMBER_BYTES) return undefined
      const next = message.readUIntBE(NUMBER_AFTER_TOKEN_AT, NUMBER_BYTES)
      if (next === 0) return undefined
      const token = message.readUInt32BE(HEADER_BYTES)
      return { _tag: message[0] === REQUEST ? "Request" : "Position", from, token, next }
    }
    default:
      return undefined
  }
}
