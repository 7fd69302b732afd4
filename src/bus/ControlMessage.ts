/**
 * What relays tell each other beside batches: a byte for the kind, which is its version, too; the origin; then a text, or how far the batches
 * of the receiver have been handled, as in `Frame` the most significant byte first.
 */
import { ORIGIN_BYTES } from "./Frame.ts"

const TEXT = 1
const ACKNOWLEDGEMENT = 2
const HEADER_BYTES = 1 + ORIGIN_BYTES
const END_BYTES = 6

const MAX_BYTES = HEADER_BYTES + 256 * 1024

/** A message that has arrived. */
export type ControlMessage =
  | { readonly _tag: "Text"; readonly from: string; readonly text: string }
  /** `end`: bytes that the receiver has published, up to the end of the last batch that `from` has handled. */
  | { readonly _tag: "Acknowledgement"; readonly from: string; readonly end: number }

const make = (kind: number, origin: Uint8Array, contentBytes: number): Buffer => {
  const message = Buffer.allocUnsafe(HEADER_BYTES + contentBytes)
  message[0] = kind
  message.set(origin, 1)
  return message
}

/** @param origin `ORIGIN_BYTES` that tell the sender */
export const encodeText = (origin: Uint8Array, text: string): Uint8Array => {
  const content = Buffer.from(text)
  const message = make(TEXT, origin, content.length)
  message.set(content, HEADER_BYTES)
  return message
}

/** @param origin `ORIGIN_BYTES` that tell the sender */
export const encodeAcknowledgement = (origin: Uint8Array, end: number): Uint8Array => {
  const message = make(ACKNOWLEDGEMENT, origin, END_BYTES)
  message.writeUIntBE(end, HEADER_BYTES, END_BYTES)
  return message
}

/** @returns `undefined` for bytes that are no message of this version, or longer than any */
export const decode = (bytes: Uint8Array): ControlMessage | undefined => {
  const message = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (message.length < HEADER_BYTES || message.length > MAX_BYTES) return undefined
  const from = message.toString("hex", 1, HEADER_BYTES)
  switch (message[0]) {
    case TEXT:
      return { _tag: "Text", from, text: message.toString("utf8", HEADER_BYTES) }
    case ACKNOWLEDGEMENT:
      if (message.length < HEADER_BYTES + END_BYTES) return undefined
      return { _tag: "Acknowledgement", from, end: message.readUIntBE(HEADER_BYTES, END_BYTES) }
    default:
      return undefined
  }
}
