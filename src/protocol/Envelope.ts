/**
 * The envelope around every relayed line, `{"remote_addr":"<ip:port>","content":"<line>"}\n` (docs/protocol.md), written as bytes.
 * JSON escapes only ASCII characters, so a line of UTF-8 is copied without decoding it.
 */

/** Bytes after the content: quote, brace, line feed. */
export const SUFFIX_BYTES = 3

/** The most bytes for one byte of content: `\u0000`. */
export const MAX_ESCAPE_BYTES = 6

const QUOTE = 0x22
const BACKSLASH = 0x5c
const CLOSING_BRACE = 0x7d
const LINE_FEED = 0x0a
const LOWER_U = 0x75
const ZERO = 0x30

/** For each byte: 0 to copy it, otherwise the character after the backslash, `u` for `u00xx`. */
const ESCAPES = (() => {
  const table = new Uint8Array(256)
  table.fill(LOWER_U, 0, 0x20)
  for (const [character, letter] of ["\bb", "\tt", "\nn", "\ff", "\rr", '""', "\\\\"]) {
    table[character!.charCodeAt(0)] = letter!.charCodeAt(0)
  }
  return table
})()

const HEX_DIGITS = Buffer.from("0123456789abcdef")

/** The bytes before the content in every envelope of one sender. */
export const prefix = (address: string): Uint8Array =>
  Buffer.from(`{"remote_addr":${JSON.stringify(address)},"content":"`)

/** Length in bytes of the envelope of `bytes[start, end)`, its line feed included. */
export const encodedLength = (prefix: Uint8Array, bytes: Uint8Array, start: number, end: number): number => {
  let length = prefix.length + (end - start) + SUFFIX_BYTES
  for (let i = start; i < end; i++) {
    const escape = ESCAPES[bytes[i]!]!
    if (escape !== 0) length += escape === LOWER_U ? MAX_ESCAPE_BYTES - 1 : 1
  }
  return length
}

/** Whether the envelope of `bytes[start, end)` has `limit` bytes at most, its line feed included. */
export const fits = (limit: number, prefix: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean =>
  prefix.length + (end - start) * MAX_ESCAPE_BYTES + SUFFIX_BYTES <= limit ||
  encodedLength(prefix, bytes, start, end) <= limit

/**
 * Writes the envelope of the line `bytes[start, end)` into `target` at `offset`, and returns its end. `target` must have space for
 * `encodedLength` bytes.
 *
 * The room encodes with `EnvelopeBuffer`, which uses this byte loop where it cannot do better.
 */
export const encode = (
  target: Uint8Array,
  offset: number,
  prefix: Uint8Array,
  bytes: Uint8Array,
  start: number,
  end: number
): number => {
  let o = offset
  const prefixLength = prefix.length
  for (let i = 0; i < prefixLength; i++) target[o++] = prefix[i]!
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!
    const escape = ESCAPES[byte]!
    if (escape === 0) {
      target[o++] = byte
      continue
    }
    target[o++] = BACKSLASH
    target[o++] = escape
    if (escape === LOWER_U) {
      target[o++] = ZERO
      target[o++] = ZERO
      target[o++] = HEX_DIGITS[byte >> 4]!
      target[o++] = HEX_DIGITS[byte & 15]!
    }
  }
  return encodeSuffix(target, o)
}

/** Writes what follows the content into `target` at `offset`, and returns its end. */
export const encodeSuffix = (target: Uint8Array, offset: number): number => {
  target[offset] = QUOTE
  target[offset + 1] = CLOSING_BRACE
  target[offset + 2] = LINE_FEED
  return offset + SUFFIX_BYTES
}
