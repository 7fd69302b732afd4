import { LineFraming } from "../../../src/protocol/LineFraming.ts"
import * as assert from "node:assert/strict"
import type { Target } from "../Target.ts"

/** What framing means, without chunks and limits of memory. */
const reference = (stream: Buffer, maxBytes: number): ReadonlyArray<string> => {
  const lines = stream.toString("latin1").split("\n")
  // Without a line feed behind it, nothing is no line.
  if (lines.at(-1) === "") lines.pop()
  return lines.map((raw) => {
    const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw
    if (line.length > maxBytes) return "oversized"
    try {
      new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(line, "latin1"))
      return `line ${line}`
    } catch {
      return "not UTF-8"
    }
  })
}

/** Cuts bytes into chunks of the lengths given, over and over; 0 stands for all the rest. */
export const chunksOf = (bytes: Buffer, lengths: Uint8Array): ReadonlyArray<Buffer> => {
  const chunks: Array<Buffer> = []
  for (let from = 0, i = 0; from < bytes.length; i++) {
    const length = lengths[i % lengths.length] || bytes.length
    chunks.push(bytes.subarray(from, from + length))
    from += length
  }
  return chunks
}

/** The input: the limit, the number of chunk lengths less one, these, and the stream. */
export const framing: Target = {
  name: "framing",
  dictionary: ["\n", "\r\n", "\r\r\n", "é", "🙂", "\u2028", "\ud7ff", "x".repeat(64)],
  run: (input) => {
    const maxBytes = 1 + (input[0] ?? 0)
    const lengths = input.subarray(2, 3 + ((input[1] ?? 0) % 8))
    const stream = input.subarray(2 + lengths.length)
    const framing = new LineFraming(maxBytes)
    const found: Array<string> = []
    const drain = () => {
      for (let frame = framing.next(); frame !== "none"; frame = framing.next()) {
        const { bytes, end, start } = framing
        if (frame === "line") assert.ok(start >= 0 && start <= end && end <= bytes.length)
        found.push(frame === "line" ? `line ${Buffer.from(bytes.subarray(start, end)).toString("latin1")}` : frame)
        assert.ok(framing.unfinishedBytes <= maxBytes + 1)
      }
      assert.ok(framing.unfinishedBytes <= maxBytes + 1)
    }
    for (const chunk of chunksOf(stream, lengths)) {
      const read = Buffer.from(chunk)
      framing.push(read)
      drain()
      // As Node may do with a buffer that was read into.
      read.fill(0x0a)
    }
    framing.endOfStream()
    drain()
    assert.deepEqual(found, reference(stream, maxBytes))
  }
}
