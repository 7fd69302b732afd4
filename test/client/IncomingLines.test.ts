import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as IncomingLines from "../../src/client/IncomingLines.ts"
import * as arbitraries from "../support/Arbitraries.ts"

const marked = (lines: ReadonlyArray<IncomingLines.Line>) =>
  lines.map((line) => (line.isCut ? `${IncomingLines.text(line)}…` : IncomingLines.text(line)))

/** The lines found in these chunks, a cut one marked, as soon as each is complete. */
const found = (chunks: ReadonlyArray<Uint8Array>, maxBytes?: number) => {
  const incoming = new IncomingLines.IncomingLines(maxBytes)
  return [...chunks.flatMap((chunk) => marked(incoming.push(Buffer.from(chunk)))), ...marked(incoming.end())]
}

const text = (...chunks: ReadonlyArray<string>) => chunks.map((chunk) => Buffer.from(chunk))

const chunked = (bytes: Buffer, positions: ReadonlyArray<number>) => {
  const cuts = positions.map((position) => position % (bytes.length + 1)).toSorted((a, b) => a - b)
  return [...cuts, bytes.length].map((end, i) => bytes.subarray(i === 0 ? 0 : cuts[i - 1]!, end))
}

describe("the lines that connect receives", () => {
  it.prop(
    "are the same however the stream is chunked",
    [Arbitrary.array(arbitraries.line, { maxLength: 8 }), Arbitrary.array(arbitraries.int(0, 400), { maxLength: 8 })],
    ([lines, positions]) => {
      const stream = Buffer.from(lines.map((line) => `${line}\n`).join(""))
      assert.deepStrictEqual(
        found(chunked(stream, positions)),
        lines.map((line) => line.replace(/\r$/, ""))
      )
    }
  )

  it.prop(
    "are cut at the limit however the stream is chunked",
    [
      Arbitrary.array(arbitraries.int(0, 20), { maxLength: 8 }),
      Arbitrary.array(arbitraries.int(0, 100), { maxLength: 8 })
    ],
    ([lengths, positions]) => {
      const stream = Buffer.from(lengths.map((length) => `${"x".repeat(length)}\n`).join(""))
      assert.deepStrictEqual(
        found(chunked(stream, positions), 10),
        lengths.map((length) => (length > 10 ? `${"x".repeat(10)}…` : "x".repeat(length)))
      )
    }
  )

  it("are shown up to the limit at once, without waiting for an end that may never come", () => {
    const incoming = new IncomingLines.IncomingLines(4)
    assert.lengthOf(incoming.push(Buffer.from("1234")), 0)
    assert.deepStrictEqual(incoming.push(Buffer.from("5")), [{ bytes: Buffer.from("1234"), isCut: true }])
    assert.lengthOf(incoming.push(Buffer.from("678")), 0)
    assert.lengthOf(incoming.push(Buffer.from("9\nnext\n")), 1)
  })

  it("have as last one what the end of the connection left unfinished", () => {
    assert.deepStrictEqual(found(text("a\nb", "c")), ["a", "bc"])
    assert.deepStrictEqual(found(text("123456"), 4), ["1234…"])
  })
})
