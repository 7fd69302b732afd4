import { parse } from "../../../src/client/Incoming.ts"
import { IncomingLines, type Line, text } from "../../../src/client/IncomingLines.ts"
import * as Rendering from "../../../src/commands/connect/Rendering.ts"
import * as assert from "node:assert/strict"
import type { Target } from "../Target.ts"
import { chunksOf } from "./framing.ts"

const MAX_LINE_BYTES = 200

const UNSAFE = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u

const MODES = ["text", "json", "raw"] as const

const linesOf = (chunks: ReadonlyArray<Buffer>): ReadonlyArray<Line> => {
  const incoming = new IncomingLines(MAX_LINE_BYTES)
  const copy = ({ bytes, isCut }: Line) => ({ bytes: Buffer.from(bytes), isCut })
  const lines = chunks.flatMap((chunk) => {
    const read = Buffer.from(chunk)
    const found = incoming.push(read).map(copy)
    read.fill(0x0a)
    return found
  })
  return [...lines, ...incoming.end().map(copy)]
}

/** What lines are, without chunks. */
const reference = (stream: Buffer): ReadonlyArray<Line> => {
  const lines = stream.toString("latin1").split("\n")
  // Without a line feed behind it, nothing is no line.
  if (lines.at(-1) === "") lines.pop()
  return lines.map((line) => ({
    bytes: Buffer.from(line.slice(0, MAX_LINE_BYTES), "latin1"),
    isCut: line.length > MAX_LINE_BYTES
  }))
}

/** The input: lengths of two chunks, and what an untrusted server sends. */
export const connect: Target = {
  name: "connect",
  dictionary: [
    '{"remote_addr":"1.2.3.4:5","content":"',
    '"}\n',
    '"_payload":',
    '"_type":',
    "Warning: ",
    "\n",
    "\r\n",
    "[[[[",
    "\u001b[2J",
    "\u001b]0;x\u0007",
    "\u009b31m",
    "\\u001b[31m",
    "\u2028",
    "\u202e",
    "\u0000",
    "é",
    "x".repeat(200)
  ],
  run: (input) => {
    const stream = input.subarray(2)
    const lines = linesOf(chunksOf(stream, input.subarray(0, 2).length === 0 ? Buffer.from([0]) : input.subarray(0, 2)))
    assert.deepEqual(lines, reference(stream))
    for (const line of lines) {
      assert.ok(line.bytes.length <= MAX_LINE_BYTES)
      const incoming = parse(text(line), line.isCut)
      for (const mode of MODES) {
        const shown = Rendering.renderer({ mode, isTerminal: true, hasColors: false })(incoming)
        assert.equal(shown.indexOf("\n"), shown.length - 1)
        assert.doesNotMatch(shown.slice(0, -1), UNSAFE)
        if (mode === "json") assert.deepEqual(JSON.parse(shown), Rendering.fields(incoming))
      }
      assert.equal(incoming.type === "truncated", line.isCut)
      const colored = Rendering.renderer({ mode: "text", isTerminal: true, hasColors: true })(incoming)
      // The colours are those of the address or of the whole notice, and end with them.
      // oxlint-disable-next-line eslint/no-control-regex
      const plain = colored.replace(/^\u001b\[(?:1;33|\d\d)m([^\u001b]*)\u001b\[0m/, "$1")
      assert.equal(plain, Rendering.renderer({ mode: "text", isTerminal: true, hasColors: false })(incoming))
      assert.ok(text(line).length <= MAX_LINE_BYTES)
    }
  }
}
