import { assert, describe, it } from "@effect/vitest"
import * as Envelope from "../../src/protocol/Envelope.ts"
import * as arbitraries from "../support/Arbitraries.ts"
import { runs } from "../support/runs.ts"

const ADDRESS = "[2001:db8::1]:54321"

/** The envelope of a line that stands in the middle of other bytes, written into the middle of others. */
const encode = (line: string | Uint8Array, address = ADDRESS) => {
  const content = Buffer.from(line)
  const prefix = Envelope.prefix(address)
  const bytes = Buffer.concat([Buffer.from('"\n'), content, Buffer.from('\\"')])
  const length = Envelope.encodedLength(prefix, bytes, 2, 2 + content.length)
  const target = Buffer.alloc(length + 10, 0xff)
  assert.strictEqual(Envelope.encode(target, 5, prefix, bytes, 2, 2 + content.length), 5 + length)
  assert.isTrue([...target.subarray(0, 5), ...target.subarray(5 + length)].every((byte) => byte === 0xff))
  return target.subarray(5, 5 + length)
}

const reference = (line: string, address = ADDRESS) =>
  Buffer.from(`{"remote_addr":${JSON.stringify(address)},"content":${JSON.stringify(line)}}\n`)

describe("Envelope", () => {
  it.prop(
    "is the JSON of address and line, for every Unicode text",
    { line: arbitraries.line },
    ({ line }) => {
      const envelope = encode(line)
      assert.deepStrictEqual(envelope.toString(), reference(line).toString())
      assert.isTrue(envelope.equals(reference(line)))
      assert.deepStrictEqual(JSON.parse(envelope.toString()), { remote_addr: ADDRESS, content: line })
    },
    runs(500)
  )

  it("escapes every character of ASCII as JSON.stringify does", () => {
    for (let code = 0; code < 0x100; code++) {
      const line = `a${String.fromCharCode(code)}z`
      assert.strictEqual(encode(line).toString(), reference(line).toString(), `U+${code.toString(16)}`)
    }
    const all = String.fromCharCode(...Array.from({ length: 0x100 }, (_, code) => code)).repeat(3)
    assert.strictEqual(encode(all).toString(), reference(all).toString())
  })

  it("copies every byte above ASCII", () => {
    const bytes = Uint8Array.from({ length: 0x80 }, (_, i) => i + 0x80)
    assert.isTrue(encode(bytes).includes(Buffer.from(bytes)))
  })

  it("has empty content for an empty line", () => {
    assert.strictEqual(encode("", "1.2.3.4:5").toString(), '{"remote_addr":"1.2.3.4:5","content":""}\n')
  })

  it("grows by no more than its bounds say", () => {
    const prefix = Envelope.prefix(ADDRESS)
    const worst = encode("\0".repeat(100)).length
    assert.strictEqual(worst, prefix.length + 100 * Envelope.MAX_ESCAPE_BYTES + Envelope.SUFFIX_BYTES)
    assert.strictEqual(encode("x".repeat(100)).length, prefix.length + 100 + Envelope.SUFFIX_BYTES)
  })
})
