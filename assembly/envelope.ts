/**
 * Writes envelopes, and reads what is logged of them, sixteen bytes at a time, in WebAssembly SIMD (AssemblyScript).
 * `src/protocol/EnvelopeBuffer.ts` says what is where in the memory, and `src/protocol/Envelope.ts` what an envelope is: its byte loop does
 * the same. `src/logging/scanContent.ts` has the memory for what is logged.
 *
 * A store writes sixteen bytes, of which the next store overwrites what is too much: up to sixteen bytes behind an envelope change, and as
 * many behind a line are read.
 */

const QUOTE: u8 = 0x22
const BACKSLASH: u8 = 0x5c
const SPACE: u8 = 0x20
const LINE_FEED: u8 = 0x0a
const CARRIAGE_RETURN: u8 = 0x0d

/** `"}\n` */
const SUFFIX: u32 = 0x0a7d22
const SUFFIX_BYTES: usize = 3

/** `u00` */
const UNICODE_ESCAPE: u32 = 0x303075
const UNICODE_ESCAPE_BYTES: usize = 6

/** The lane from which a backslash is taken: none of the eight bytes that a look-up expands. */
const BACKSLASH_LANE: u8 = 8

/**
 * Fills the table at address 0. For each set of eight bytes that need a backslash, as a mask of eight bits, it has the lanes of the up to
 * sixteen bytes that they become.
 */
export function fillTable(): void {
  for (let mask = 0; mask < 256; mask++) {
    let entry: usize = mask << 4
    for (let lane = 0; lane < 8; lane++) {
      if ((mask >> lane) & 1) store<u8>(entry++, BACKSLASH_LANE)
      store<u8>(entry++, <u8>lane)
    }
  }
}

/**
 * Writes the envelope of the line at `[source, source + length)` to `target`, and returns its end; 0 if it would be longer than `limit`.
 */
export function encode(
  target: usize,
  limit: usize,
  prefix: usize,
  prefixLength: usize,
  source: usize,
  length: usize
): usize {
  const around = prefixLength + SUFFIX_BYTES
  if (around + length * UNICODE_ESCAPE_BYTES > limit && around + escapedLength(source, length) > limit) return 0
  for (let i: usize = 0; i < prefixLength; i += 16) v128.store(target + i, v128.load(prefix + i))
  const end = escape(target + prefixLength, source, length)
  store<u32>(end, SUFFIX)
  return end + SUFFIX_BYTES
}

/** What the last `encodeLines` has encoded: so many lines, the last of which ends with the line feed before `linesEnd`. */
export let lines: i32 = 0
export let linesEnd: usize = 0

/**
 * Writes the envelopes of the lines in `[source, source + length)`, one behind the other, to `target`, and returns their end. It stops
 * behind `most` lines, before an envelope that would begin at `stop` or later or be longer than `limit`, and before a line without its end.
 */
export function encodeLines(
  target: usize,
  stop: usize,
  limit: usize,
  prefix: usize,
  prefixLength: usize,
  source: usize,
  length: usize,
  most: i32
): usize {
  const end = source + length
  let o = target
  let start = source
  lines = 0
  while (lines < most && o < stop) {
    const feed = lineFeedIn(start, end)
    if (feed == end) break
    const lineEnd = feed > start && load<u8>(feed - 1) == CARRIAGE_RETURN ? feed - 1 : feed
    const next = encode(o, limit, prefix, prefixLength, start, lineEnd - start)
    if (next == 0) break
    o = next
    start = feed + 1
    lines++
  }
  linesEnd = start
  return o
}

/** Where the first line feed in `[start, end)` is; `end`, if there is none. */
function lineFeedIn(start: usize, end: usize): usize {
  for (let i = start; i < end; i += 16) {
    const feeds = i8x16.bitmask(i8x16.eq(v128.load(i), i8x16.splat(LINE_FEED))) & insideOf(end - i)
    if (feeds != 0) return i + ctz(feeds)
  }
  return end
}

/** Length of `[source, source + length)` within an envelope, in bytes. */
export function escapedLength(source: usize, length: usize): usize {
  const end = source + length
  let escaped = length
  for (let i = source; i < end; i += 16) {
    const bytes = v128.load(i)
    const inside = insideOf(end - i)
    const controls = i8x16.bitmask(i8x16.lt_u(bytes, i8x16.splat(SPACE))) & inside
    escaped += popcnt(i8x16.bitmask(quotesAndBackslashes(bytes)) & inside)
    if (controls == 0) continue
    for (let at = i, last = min(i + 16, end); at < last; at++) {
      const byte = load<u8>(at)
      if (byte < SPACE) escaped += shortEscapeOf(byte) == 0 ? UNICODE_ESCAPE_BYTES - 1 : 1
    }
  }
  return escaped
}

/** Writes `[source, source + length)` to `target` as the inside of a JSON string, and returns its end. */
export function escape(target: usize, source: usize, length: usize): usize {
  const end = source + length
  let o = target
  for (let i = source; i < end; i += 16) {
    const bytes = v128.load(i)
    const left = min<usize>(end - i, 16)
    const inside = insideOf(left)
    if (i8x16.bitmask(i8x16.lt_u(bytes, i8x16.splat(SPACE))) & inside) {
      for (let at = i, last = i + left; at < last; at++) o = escapeByte(o, load<u8>(at))
      continue
    }
    const mask = i8x16.bitmask(quotesAndBackslashes(bytes)) & inside
    if (mask == 0) {
      v128.store(o, bytes)
      o += left
      continue
    }
    const low = mask & 0xff
    const first = i8x16.replace_lane(bytes, BACKSLASH_LANE, BACKSLASH)
    v128.store(o, i8x16.swizzle(first, v128.load(low << 4)))
    o += min<usize>(left, 8) + popcnt(low)
    if (left <= 8) break
    const high = mask >>> 8
    const second = i8x16.replace_lane(
      i8x16.shuffle(bytes, bytes, 8, 9, 10, 11, 12, 13, 14, 15, 0, 0, 0, 0, 0, 0, 0, 0),
      BACKSLASH_LANE,
      BACKSLASH
    )
    v128.store(o, i8x16.swizzle(second, v128.load(high << 4)))
    o += left - 8 + popcnt(high)
  }
  return o
}

/** Mask of the first `left` bytes of sixteen; of all, if there are more. */
function insideOf(left: usize): i32 {
  return left >= 16 ? 0xffff : (1 << (<i32>left)) - 1
}

function quotesAndBackslashes(bytes: v128): v128 {
  return v128.or(i8x16.eq(bytes, i8x16.splat(QUOTE)), i8x16.eq(bytes, i8x16.splat(BACKSLASH)))
}

/** The letter behind the backslash: 0 for a control character without one. */
function shortEscapeOf(byte: u8): u8 {
  if (byte == 0x08) return 0x62 // b
  if (byte == 0x09) return 0x74 // t
  if (byte == 0x0a) return 0x6e // n
  if (byte == 0x0c) return 0x66 // f
  if (byte == 0x0d) return 0x72 // r
  return 0
}

function escapeByte(target: usize, byte: u8): usize {
  if (byte >= SPACE && byte != QUOTE && byte != BACKSLASH) {
    store<u8>(target, byte)
    return target + 1
  }
  store<u8>(target, BACKSLASH)
  const letter = byte < SPACE ? shortEscapeOf(byte) : byte
  if (letter != 0) {
    store<u8>(target + 1, letter)
    return target + 2
  }
  store<u32>(target + 1, UNICODE_ESCAPE)
  store<u8>(target + 4, hexDigit(byte >> 4))
  store<u8>(target + 5, hexDigit(byte & 15))
  return target + UNICODE_ESCAPE_BYTES
}

function hexDigit(value: u8): u8 {
  return value < 10 ? 0x30 + value : 0x61 - 10 + value
}

const COMMA: u8 = 0x2c
const COLON: u8 = 0x3a
const MINUS: u8 = 0x2d
const PLUS: u8 = 0x2b
const POINT: u8 = 0x2e
const ZERO: u8 = 0x30
const OPENING_BRACKET: u8 = 0x5b
const OPENING_BRACE: u8 = 0x7b
/** From a bracket or brace to the one that closes it. */
const CLOSING: u8 = 2

const TRUE: u32 = 0x65757274
const NULL: u32 = 0x6c6c756e
/** `fals` */
const FALSE: u32 = 0x736c6166

/**
 * Whether `[source, source + length)` is UTF-8 in which nothing can be a character that `escapeText` escapes: no control character, and no
 * first byte of the others.
 */
export function isPlain(source: usize, length: usize): bool {
  const end = source + length
  for (let i = source; i < end; i += 16) {
    const bytes = v128.load(i)
    const controls = v128.or(i8x16.lt_u(bytes, i8x16.splat(SPACE)), i8x16.eq(bytes, i8x16.splat(0x7f)))
    // U+0080 to U+009F, U+061C, U+2000 to U+2FFF.
    const firsts = v128.or(
      v128.or(i8x16.eq(bytes, i8x16.splat(<i8>0xc2)), i8x16.eq(bytes, i8x16.splat(<i8>0xd8))),
      i8x16.eq(bytes, i8x16.splat(<i8>0xe2))
    )
    if (i8x16.bitmask(v128.or(controls, firsts)) & insideOf(end - i)) return false
  }
  return true
}

/**
 * 1 if `[source, source + length)` is a JSON text (RFC 8259), 0 if not, and -1 if its arrays and objects are nested deeper than `most`:
 * then the rest is not read. `levels`: memory of `most` bytes.
 */
export function isJson(source: usize, length: usize, levels: usize, most: i32): i32 {
  const end = source + length
  let at = source
  let depth = 0
  while (true) {
    at = afterSpace(at, end)
    if (at >= end) return 0
    const first = load<u8>(at)
    if (first == OPENING_BRACE || first == OPENING_BRACKET) {
      if (depth == most) return -1
      store<u8>(levels + depth++, first)
      at = afterSpace(at + 1, end)
      if (at >= end || load<u8>(at) != first + CLOSING) {
        if (first == OPENING_BRACE && (at = afterKey(at, end)) == 0) return 0
        continue
      }
    } else if ((at = afterScalar(at, end)) == 0) return 0
    while (true) {
      at = afterSpace(at, end)
      if (depth == 0) return at == end ? 1 : 0
      if (at >= end) return 0
      const container = load<u8>(levels + depth - 1)
      const next = load<u8>(at++)
      if (next == COMMA) {
        if (container == OPENING_BRACE && (at = afterKey(afterSpace(at, end), end)) == 0) return 0
        break
      }
      if (next != container + CLOSING) return 0
      depth--
    }
  }
}

// Each returns the end of what begins at `at`, or 0 if that is something else. It may read some bytes past `end`, and then returns more
// than `end` or 0.

function afterSpace(at: usize, end: usize): usize {
  while (at < end) {
    const byte = load<u8>(at)
    if (byte != SPACE && byte != LINE_FEED && byte != CARRIAGE_RETURN && byte != 0x09) break
    at++
  }
  return at
}

function afterKey(at: usize, end: usize): usize {
  if (at >= end || load<u8>(at) != QUOTE || (at = afterString(at + 1, end)) == 0) return 0
  at = afterSpace(at, end)
  return at < end && load<u8>(at) == COLON ? at + 1 : 0
}

function afterScalar(at: usize, end: usize): usize {
  const first = load<u8>(at)
  if (first == QUOTE) return afterString(at + 1, end)
  if (first == MINUS || isDigit(first)) return afterNumber(at, end)
  const letters = load<u32>(at)
  if (letters == TRUE || letters == NULL) return at + 4
  return letters == FALSE && load<u8>(at + 4) == 0x65 ? at + 5 : 0
}

/** `at`: behind the first quote. */
function afterString(at: usize, end: usize): usize {
  while (at < end) {
    const bytes = v128.load(at)
    const special = v128.or(quotesAndBackslashes(bytes), i8x16.lt_u(bytes, i8x16.splat(SPACE)))
    const found = i8x16.bitmask(special)
    if (found == 0) {
      at += 16
      continue
    }
    at += ctz(found)
    const byte = load<u8>(at)
    if (byte == QUOTE) return at + 1
    if (byte != BACKSLASH) return 0
    const letter = load<u8>(at + 1)
    at += 2
    if (letter == 0x75) {
      for (const last = at + 4; at < last; at++) if (!isHexDigit(load<u8>(at))) return 0
    } else if (letter != QUOTE && letter != BACKSLASH && letter != 0x2f && !isShortEscape(letter)) return 0
  }
  return 0
}

function afterNumber(at: usize, end: usize): usize {
  if (load<u8>(at) == MINUS) at++
  const start = at
  at = afterDigits(at, end)
  if (at == start || (load<u8>(start) == ZERO && at > start + 1)) return 0
  if (at < end && load<u8>(at) == POINT) {
    const fraction = at + 1
    at = afterDigits(fraction, end)
    if (at == fraction) return 0
  }
  if (at < end && (load<u8>(at) | 0x20) == 0x65) {
    at++
    if (at < end && (load<u8>(at) == PLUS || load<u8>(at) == MINUS)) at++
    const exponent = at
    at = afterDigits(exponent, end)
    if (at == exponent) return 0
  }
  return at
}

function afterDigits(at: usize, end: usize): usize {
  while (at < end && isDigit(load<u8>(at))) at++
  return at
}

function isDigit(byte: u8): bool {
  return byte - ZERO < 10
}

function isHexDigit(byte: u8): bool {
  return isDigit(byte) || (byte | 0x20) - 0x61 < 6
}

/** b, f, n, r, t */
function isShortEscape(letter: u8): bool {
  return letter == 0x62 || letter == 0x66 || letter == 0x6e || letter == 0x72 || letter == 0x74
}
