import * as Envelope from "../../../src/protocol/Envelope.ts"
import { EnvelopeBuffer } from "../../../src/protocol/EnvelopeBuffer.ts"
import * as assert from "node:assert/strict"
import type { Target } from "../Target.ts"

const ADDRESSES = ["127.0.0.1:54321", "[2001:db8::1]:1", 'a "quoted" name\n\u0000', "é", ""]

/** Longer than anything that a fuzzer makes of its inputs. */
const buffer = new EnvelopeBuffer(1024 * 1024)

/** The input: an address, room before the envelope, and the line, in which what is not UTF-8 is replaced. */
export const envelope: Target = {
  name: "envelope",
  dictionary: ['"', "\\", "\\u0000", "\u0000", "\u001f", "\u007f", "\u0080", "\u2028", "é", "🙂", "\b\t\f\r"],
  run: (input) => {
    const address = ADDRESSES[(input[0] ?? 0) % ADDRESSES.length]!
    const offset = (input[1] ?? 0) % 16
    const line = input.toString("utf8", 2).replaceAll("\n", "")
    const bytes = Buffer.from(`<${line}>`)
    const [start, end] = [1, bytes.length - 1]
    const prefix = Envelope.prefix(address)
    const length = Envelope.encodedLength(prefix, bytes, start, end)
    const target = Buffer.alloc(offset + length + 4, 0x7e)
    assert.equal(Envelope.encode(target, offset, prefix, bytes, start, end), offset + length)
    assert.equal(
      target.toString("latin1", 0, offset) + target.toString("latin1", offset + length),
      "~".repeat(offset + 4)
    )
    const written = target.toString("utf8", offset, offset + length)
    assert.equal(written.indexOf("\n"), written.length - 1)
    assert.ok(Object.keys(JSON.parse(written)).join() === "remote_addr,content")
    assert.deepEqual(JSON.parse(written), { remote_addr: address, content: line })
    // oxlint-disable-next-line eslint/no-control-regex
    assert.doesNotMatch(written.slice(0, -1), /[\u0000-\u001f]/)
    // With the room's encoder, too, behind what another input has left there.
    for (const isConstant of [true, false]) {
      assert.equal(buffer.encode(offset, length - 1, prefix, bytes, start, end, isConstant), -1)
      assert.equal(buffer.encode(offset, length, prefix, bytes, start, end, isConstant), offset + length)
      assert.ok(target.subarray(offset, offset + length).equals(buffer.bytes.subarray(offset, offset + length)))
    }
    assert.ok(length <= prefix.length + (end - start) * Envelope.MAX_ESCAPE_BYTES + Envelope.SUFFIX_BYTES)
  }
}
