import { assert, describe, it } from "@effect/vitest"
import * as Envelope from "../../src/protocol/Envelope.ts"
import { EnvelopeBuffer } from "../../src/protocol/EnvelopeBuffer.ts"
import * as arbitraries from "../support/Arbitraries.ts"
import { runs } from "../support/runs.ts"

const PREFIX = Envelope.prefix("127.0.0.1:54321")
const CAPACITY = 4096
const KIB = 1024

/** What the byte loop writes, which is tested against `JSON.stringify`. */
const model = (bytes: Uint8Array, start: number, end: number, prefix = PREFIX) => {
  const target = Buffer.alloc(Envelope.encodedLength(prefix, bytes, start, end))
  assert.strictEqual(Envelope.encode(target, 0, prefix, bytes, start, end), target.length)
  return target
}

const withoutWebAssembly = <A>(make: () => A): A => {
  const property = Object.getOwnPropertyDescriptor(globalThis, "WebAssembly")!
  Object.defineProperty(globalThis, "WebAssembly", { ...property, value: undefined })
  try {
    return make()
  } finally {
    Object.defineProperty(globalThis, "WebAssembly", property)
  }
}

const buffers: ReadonlyArray<[string, (capacity: number) => EnvelopeBuffer]> = [
  ["with SIMD", (capacity) => new EnvelopeBuffer(capacity)],
  ["without WebAssembly", (capacity) => withoutWebAssembly(() => new EnvelopeBuffer(capacity))]
]

/** Bytes of all kinds, those that have to be escaped more often than others. */
const randomBytes = (length: number, seed: number) => {
  const special = Buffer.from('"\\"\\"\\\0\x1f\x7f\b\t\f\r\n\x80\xff', "latin1")
  let state = seed
  const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 8
  return Uint8Array.from({ length }, () => (random() % 4 === 0 ? special[random() % special.length]! : random() & 0xff))
}

/** Encodes a line as `model` does, and changes nothing in front of it, nor much behind it. */
const check = (
  buffer: EnvelopeBuffer,
  offset: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  isConstant: boolean,
  prefix = PREFIX
) => {
  const expected = model(bytes, start, end, prefix)
  const written = offset + expected.length
  const { bytes: memory } = buffer
  memory.fill(0xee, Math.max(0, offset - 32), written + 64)
  const to = buffer.encode(offset, expected.length, prefix, bytes, start, end, isConstant)
  if (to !== written || !expected.equals(memory.subarray(offset, to))) {
    assert.strictEqual(Buffer.from(memory.subarray(offset, written)).toString("latin1"), expected.toString("latin1"))
    assert.strictEqual(to, written)
  }
  const around = [memory.subarray(Math.max(0, offset - 32), offset), memory.subarray(written + 16, written + 64)]
  if (around.some((bytes) => bytes.some((byte) => byte !== 0xee))) assert.fail("other bytes have changed")
  const tooLong = buffer.encode(offset, expected.length - 1, prefix, bytes, start, end, isConstant)
  if (tooLong !== -1) assert.fail(`${expected.length} bytes were written where ${expected.length - 1} are allowed`)
}

describe.each(buffers)("EnvelopeBuffer %s", (_, make) => {
  it.prop(
    "encodes every Unicode text as the byte loop does",
    { line: arbitraries.line },
    ({ line }) => {
      const bytes = Buffer.from(line)
      check(make(CAPACITY + bytes.length * 6), 0, bytes, 0, bytes.length, false)
    },
    runs(100)
  )

  it("encodes one byte of each kind at every place of lines of every length up to 35", () => {
    const buffer = make(CAPACITY)
    const bytes = new Uint8Array(40)
    for (let length = 1; length <= 35; length++) {
      for (let at = 0; at < length; at++) {
        for (const byte of [0x00, 0x08, 0x1f, 0x22, 0x5c, 0x80]) {
          bytes.fill(0x61)
          // Around the line, everything has to be escaped.
          bytes.fill(0x22, 0, 3).fill(0x01, 3 + length)
          bytes[3 + at] = byte
          check(buffer, 0, bytes, 3, 3 + length, false)
        }
      }
    }
  })

  it("encodes each of the 256 bytes", () => {
    const buffer = make(CAPACITY)
    for (let byte = 0; byte < 256; byte++) check(buffer, 0, new Uint8Array(33).fill(byte), 0, 33, false)
  })

  it("encodes every set of quotes among eight bytes, in both halves of sixteen", () => {
    const buffer = make(CAPACITY)
    for (let set = 0; set < 0x10000; set += 0x101) {
      const bytes = Uint8Array.from({ length: 16 }, (_, i) => ((set >> i) & 1 ? (i % 2 ? 0x22 : 0x5c) : 0x61 + i))
      check(buffer, 0, bytes, 0, 16, false)
    }
  })

  it("encodes random lines at every alignment of source and target", () => {
    const buffer = make(CAPACITY)
    for (let seed = 1; seed <= 40; seed++) {
      const bytes = randomBytes(200, seed)
      for (let offset = 0; offset < 17; offset++) {
        check(buffer, offset, bytes, seed % 17, (seed % 17) + ((seed * 7 + offset * 11) % 140), offset % 2 === 0)
      }
    }
  })

  it("encodes lines longer than its memory for them", () => {
    const buffer = make(8 * 64 * KIB * 6)
    for (const length of [64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 128 * KIB, 200_001]) {
      const bytes = randomBytes(length + 5, length)
      for (const isConstant of [false, true]) check(buffer, 3, bytes, 2, 2 + length, isConstant)
    }
  })

  it("encodes lines of a constant chunk longer than its memory, in any order and with others in between", () => {
    const buffer = make(8 * 64 * KIB * 6)
    const chunk = randomBytes(200_000, 9)
    const other = randomBytes(70_000, 10)
    for (const start of [0, 100, 64 * KIB - 50, 64 * KIB, 0, 199_900, 64 * KIB - 50, 66_000]) {
      check(buffer, 0, chunk, start, start + 100, true)
      if (start % 3 === 0) check(buffer, 0, other, start % 500, (start % 500) + 77, start % 2 === 0)
    }
    check(buffer, 0, chunk, 66_000, 66_100, true)
    check(buffer, 0, other, 0, 70_000, true)
    check(buffer, 0, chunk, 66_000, 66_100, true)
  })

  it("encodes lines together as one by one, until one is too long, the batch is full or enough are done", () => {
    const texts = [
      "",
      "a",
      "\r",
      "b\r",
      'say "x"',
      "\u0000",
      "0123456789abcde",
      "0123456789abcdef\r",
      "é".repeat(20),
      "\r\r"
    ]
    let state = 7
    const random = (below: number) => ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 8) % below
    const buffer = make(CAPACITY)
    const { bytes: memory } = buffer
    for (let round = 0; round < 400; round++) {
      const lines = Array.from({ length: random(12) }, () => texts[random(texts.length)]!)
      const start = random(17)
      const whole = Buffer.from("x".repeat(start) + lines.map((line) => `${line}\n`).join(""))
      const chunk = Buffer.concat([whole, Buffer.from("unfinished, and \n behind the end")])
      const [offset, stop, limit, most] = [random(17), 60 + random(1000), 60 + random(60), random(14)]
      const expected: Array<Buffer> = []
      let to = offset
      let end = start
      for (const text of lines) {
        const line = Buffer.from(text.replace(/\r$/, ""))
        const envelope = model(line, 0, line.length)
        if (expected.length === most || to >= stop || envelope.length > limit) break
        expected.push(envelope)
        to += envelope.length
        end += Buffer.byteLength(text) + 1
      }
      const encoded = buffer.encodeLines(offset, stop, limit, PREFIX, chunk, start, whole.length, most)
      if (memory.byteOffset === 0) {
        // Without SIMD all lines are left to `encode`.
        assert.deepStrictEqual([encoded, buffer.lines, buffer.linesEnd], [offset, 0, start])
      } else {
        assert.deepStrictEqual([encoded, buffer.lines, buffer.linesEnd], [to, expected.length, end])
        assert.isTrue(Buffer.concat(expected).equals(memory.subarray(offset, encoded)))
      }
    }
  })

  it("encodes lines together as far as they are in its memory, and leaves one that is longer", () => {
    const buffer = make(4 * 64 * KIB)
    const hasSimd = buffer.bytes.byteOffset > 0
    const chunk = Buffer.from(`${"x".repeat(40 * KIB)}\n${"y".repeat(40 * KIB)}\n${"z".repeat(70 * KIB)}\n`)
    const ends: Array<number> = []
    for (let start = 0; ; start = buffer.linesEnd) {
      buffer.encodeLines(0, 128 * KIB, 128 * KIB, PREFIX, chunk, start, chunk.length)
      if (buffer.lines === 0) break
      ends.push(buffer.linesEnd)
    }
    assert.deepStrictEqual(ends, hasSimd ? [40 * KIB + 1, 80 * KIB + 2] : [])
  })

  it("reads bytes again that may have changed", () => {
    const buffer = make(CAPACITY)
    const bytes = Buffer.from("first")
    check(buffer, 0, bytes, 0, 5, true)
    bytes.write("other")
    check(buffer, 0, bytes, 0, 5, false)
    bytes.write("third")
    check(buffer, 0, bytes, 0, 5, true)
  })

  it("tells senders apart, also one with a prefix longer than its memory for it", () => {
    const buffer = make(64 * KIB)
    const long = Envelope.prefix("x".repeat(10_000))
    for (const prefix of [PREFIX, long, Envelope.prefix("[2001:db8::1]:1"), PREFIX, Envelope.prefix("")]) {
      check(buffer, 5, Buffer.from('a "word"'), 0, 8, false, prefix)
    }
  })

  it("has space for an envelope up to its last byte, whatever its size", () => {
    const bytes = Buffer.from('"\\'.repeat(20))
    const { length } = model(bytes, 0, 40)
    for (const capacity of [length, 56 * KIB - 64, 56 * KIB - 32, 56 * KIB - 16, 56 * KIB]) {
      check(make(capacity), capacity - length, bytes, 0, 40, false)
    }
  })
})

describe("envelopeWasm", () => {
  it("runs on this Node.js", () => {
    // Its bytes are part of the memory of an instance.
    assert.isAbove(new EnvelopeBuffer(1).bytes.byteOffset, 0)
  })
})
