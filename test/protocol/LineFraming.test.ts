import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import { LineFraming } from "../../src/protocol/LineFraming.ts"
import * as arbitraries from "../support/Arbitraries.ts"
import { runs } from "../support/runs.ts"

const MAX_BYTES = 24

/**
 * Feeds chunks as a session does, and overwrites each once it is used up. Lines are strings, the rest is `<what>`.
 *
 * @param together how many lines are taken together, each time there are some
 */
const frame = (chunks: ReadonlyArray<Uint8Array>, maxBytes = MAX_BYTES, together: ReadonlyArray<number> = []) => {
  const framing = new LineFraming(maxBytes)
  const found: Array<string> = []
  let turn = 0
  /** Up to a line that is too long. */
  const takeTogether = () => {
    let most = together[turn++ % together.length] ?? 0
    if (!framing.nextLines()) return
    assert.strictEqual(framing.bytes[framing.end - 1], 10)
    let position = framing.start
    while (position < framing.end && most-- > 0) {
      const feed = framing.bytes.indexOf(10, position)
      const line = Buffer.from(
        framing.bytes.slice(position, framing.bytes[feed - 1] === 13 ? Math.max(feed - 1, position) : feed)
      )
      if (line.length > maxBytes) break
      found.push(line.toString())
      position = feed + 1
    }
    framing.skipTo(position)
  }
  let mostUnfinished = 0
  const drain = () => {
    takeTogether()
    for (let kind = framing.next(); kind !== "none"; kind = framing.next()) {
      found.push(
        kind === "line" ? Buffer.from(framing.bytes.slice(framing.start, framing.end)).toString() : `<${kind}>`
      )
      mostUnfinished = Math.max(mostUnfinished, framing.unfinishedBytes)
      takeTogether()
    }
    mostUnfinished = Math.max(mostUnfinished, framing.unfinishedBytes)
  }
  for (const chunk of chunks) {
    const copy = Uint8Array.from(chunk)
    framing.push(copy)
    drain()
    copy.fill(0x21)
  }
  framing.endOfStream()
  drain()
  assert.isAtMost(mostUnfinished, maxBytes + 1)
  return found
}

const text = (...chunks: ReadonlyArray<string>) => chunks.map((chunk) => Buffer.from(chunk))

const cut = (bytes: Uint8Array, positions: ReadonlyArray<number>) => {
  const cuts = positions.map((position) => position % (bytes.length + 1)).toSorted((a, b) => a - b)
  return [...cuts, bytes.length].map((end, i) => bytes.subarray(i === 0 ? 0 : cuts[i - 1]!, end))
}

/** What framing means, without any chunks. */
const expected = (stream: Buffer, maxBytes: number) => {
  const lines: Array<Buffer> = []
  let from = 0
  for (let to = stream.indexOf(10); to !== -1; to = stream.indexOf(10, from)) {
    lines.push(stream.subarray(from, to))
    from = to + 1
  }
  if (from < stream.length) lines.push(stream.subarray(from))
  return lines.map((raw) => {
    const line = raw.at(-1) === 13 ? raw.subarray(0, -1) : raw
    if (line.length > maxBytes) return "<oversized>"
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(line)
    } catch {
      return "<not UTF-8>"
    }
  })
}

/** Whole lines, and bytes that make them invalid, too long or unfinished. */
const part = Arbitrary.map(
  Arbitrary.all([arbitraries.int(0, 9), arbitraries.line, arbitraries.int(0, 255), arbitraries.int(0, 3 * MAX_BYTES)]),
  ([kind, line, byte, length]) => {
    if (kind === 0) return Buffer.from([byte])
    if (kind === 1) return Buffer.from("x".repeat(length) + "\n")
    if (kind === 2) return Buffer.from("x".repeat(MAX_BYTES - 1 + (length % 4)) + "\r\n")
    return Buffer.from(line.slice(0, kind === 3 ? 40 : 8) + (kind === 4 ? "\r\n" : "\n"))
  }
)

describe("LineFraming", () => {
  it.prop(
    "finds the same lines however the stream is cut",
    {
      parts: arbitraries.array(part, { maxLength: 20 }),
      cuts: arbitraries.array(arbitraries.int(0, 10_000), { maxLength: 30 }),
      together: arbitraries.array(arbitraries.int(0, 4), { maxLength: 5 })
    },
    ({ cuts, parts, together }) => {
      const stream = Buffer.concat(parts)
      assert.deepStrictEqual(frame(cut(stream, cuts), MAX_BYTES, together), expected(stream, MAX_BYTES))
    },
    runs(100)
  )

  it.prop(
    "hands out any text whole when its bytes come one by one",
    { lines: arbitraries.array(arbitraries.line, { minLength: 1, maxLength: 5 }) },
    ({ lines }) => {
      const bytes = Buffer.from(lines.map((line) => `${line}\r\n`).join(""))
      const single = Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))
      assert.deepStrictEqual(frame(single, 200), lines)
      assert.deepStrictEqual(frame([bytes], 200), lines)
    },
    runs(100)
  )

  it("strips one carriage return before the line feed, and no other", () => {
    assert.deepStrictEqual(frame(text("a\r\nb\r\r\n\rc\n\r\n\n")), ["a", "b\r", "\rc", "", ""])
    assert.deepStrictEqual(frame(text("a\r", "\nb\r", "\r", "\n")), ["a", "b\r"])
  })

  it("takes lines of exactly the limit, with either line end", () => {
    const longest = "x".repeat(MAX_BYTES)
    for (const end of ["\n", "\r\n"]) {
      assert.deepStrictEqual(frame(text(longest + end)), [longest])
      assert.deepStrictEqual(frame(text(longest, end)), [longest])
      assert.deepStrictEqual(frame([...text(longest), ...Array.from(end, (byte) => Buffer.from(byte))]), [longest])
    }
    assert.deepStrictEqual(frame(text(longest)), [longest])
  })

  it("drops a line over the limit whole, reports it once, and takes the next one", () => {
    const long = "x".repeat(MAX_BYTES + 1)
    assert.deepStrictEqual(frame(text(`a\n${long}\nb\n`)), ["a", "<oversized>", "b"])
    assert.deepStrictEqual(frame(text(long, "\nb\n")), ["<oversized>", "b"])
    assert.deepStrictEqual(frame(text("a\nx", long, long, long, "\r\nb\nc\n")), ["a", "<oversized>", "b", "c"])
    assert.deepStrictEqual(frame(text(long, long)), ["<oversized>"])
    assert.deepStrictEqual(frame(text(long)), ["<oversized>"])
    assert.deepStrictEqual(frame(text(`${long}\n${long}\n`, long, `\n${long}\nb`)), [
      "<oversized>",
      "<oversized>",
      "<oversized>",
      "<oversized>",
      "b"
    ])
  })

  it("holds at most the longest line, whatever arrives without a line feed", () => {
    const framing = new LineFraming(1000)
    let reports = 0
    for (let i = 0; i < 1000; i++) {
      framing.push(Buffer.alloc(777, "x"))
      for (let kind = framing.next(); kind !== "none"; kind = framing.next()) reports++
      assert.isAtMost(framing.unfinishedBytes, 1001)
    }
    assert.strictEqual(reports, 1)
    framing.push(Buffer.from("\nnext\n"))
    assert.strictEqual(framing.next(), "line")
    assert.strictEqual(framing.end - framing.start, 4)
  })

  it("drops only the line that is not UTF-8", () => {
    const bad = Buffer.from([0x61, 0xc3, 0x0a])
    assert.deepStrictEqual(frame([Buffer.concat([...text("é\n"), bad, ...text("ü\n")])]), ["é", "<not UTF-8>", "ü"])
    // Both halves of a character, in two lines.
    assert.deepStrictEqual(frame([Buffer.from([0xc3, 0x0a, 0xa9, 0x0a])]), ["<not UTF-8>", "<not UTF-8>"])
    // A surrogate, an overlong slash, and a code point too large, each in the first and in a later line of a chunk.
    for (const bytes of [
      [0xed, 0xa0, 0x80],
      [0xc0, 0xaf],
      [0xf4, 0x90, 0x80, 0x80]
    ]) {
      assert.deepStrictEqual(frame([Buffer.from([...bytes, 0x0a, 0x61, 0x0a, ...bytes, 0x0a])]), [
        "<not UTF-8>",
        "a",
        "<not UTF-8>"
      ])
    }
    assert.deepStrictEqual(frame([Buffer.from([0xf0, 0x9f]), Buffer.from([0x99, 0x82, 0x0a])]), ["🙂"])
  })

  it("counts what is left at the end of the stream as a line, and nothing as none", () => {
    assert.deepStrictEqual(frame(text("a\nb")), ["a", "b"])
    assert.deepStrictEqual(frame(text("a\nb", "c")), ["a", "bc"])
    assert.deepStrictEqual(frame(text("a\n")), ["a"])
    assert.deepStrictEqual(frame([]), [])
    assert.deepStrictEqual(frame([Buffer.from([0xc3])]), ["<not UTF-8>"])
  })

  /** The line that arrives in two chunks. */
  const inTwo = (framing: LineFraming, first: string, second: string) => {
    framing.push(Buffer.from(first))
    assert.strictEqual(framing.next(), "none")
    framing.push(Buffer.from(second))
    assert.strictEqual(framing.next(), "line")
    const { bytes } = framing
    assert.strictEqual(Buffer.from(bytes).toString("utf8", framing.start, framing.end), (first + second).trimEnd())
    return bytes
  }

  it("uses the memory of a line that came in two chunks again, when the second is used up", () => {
    const [one, other] = [new LineFraming(1000), new LineFraming(1000)]
    const first = inTwo(one, "in two ", "chunks\n")
    const meanwhile = inTwo(other, "others ", "have their own\n")
    assert.notStrictEqual(meanwhile.buffer, first.buffer)
    assert.strictEqual(one.next(), "none")
    const next = inTwo(one, "a".repeat(700), "b".repeat(20) + "\n")
    assert.strictEqual(next.buffer, first.buffer)
    assert.isFalse(one.isInChunk)
    assert.strictEqual(Buffer.from(meanwhile).toString("utf8", other.start, other.end), "others have their own")
  })

  it("returns the memory of a long line when it is used up", () => {
    const framing = new LineFraming(200_000)
    const { buffer } = inTwo(framing, "x".repeat(100_000), "x\n")
    assert.isAbove(buffer.byteLength, 0)
    assert.strictEqual(framing.next(), "none")
    assert.strictEqual(buffer.byteLength, 0)
  })

  it("takes a kibibyte for the beginning of a line", () => {
    const framing = new LineFraming(200_000)
    const { buffer } = inTwo(framing, "x", "y\n")
    assert.strictEqual(buffer.byteLength, 1024)
  })

  it("tells chunks of a transport apart that uses one object for all", () => {
    const framing = new LineFraming(MAX_BYTES)
    const chunk = Buffer.from("one\n")
    framing.push(chunk)
    framing.next()
    const { bytes } = framing
    assert.strictEqual(framing.next(), "none")
    framing.push(chunk.fill("two\n"))
    framing.next()
    assert.notStrictEqual(framing.bytes, bytes)
  })

  it("hands out lines of the chunk itself, without a copy", () => {
    const framing = new LineFraming(MAX_BYTES)
    const chunk = Buffer.from("one\ntwo\n")
    framing.push(chunk)
    framing.next()
    framing.next()
    assert.strictEqual(framing.bytes.buffer, chunk.buffer)
    assert.isTrue(framing.isInChunk)
    assert.strictEqual(Buffer.from(framing.bytes.subarray(framing.start, framing.end)).toString(), "two")
  })
})
