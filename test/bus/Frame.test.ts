import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Frame from "../../src/bus/Frame.ts"
import * as arbitraries from "../support/Arbitraries.ts"

const ORIGIN = Buffer.from("0123456789abcdef", "hex")

const part = (bytes: number, messages: number) => ({ bytes: Buffer.alloc(bytes, bytes), messages })

describe("Frame", () => {
  it.prop(
    "brings a batch of any parts, in pieces of any size",
    {
      parts: Arbitrary.array(arbitraries.int(1, 300), { minLength: 1, maxLength: 6 }),
      maxContent: arbitraries.int(1, 400),
      sequence: arbitraries.int(1, 2 ** 47)
    },
    ({ maxContent, sequence, parts: sizes }) => {
      const parts = sizes.map((bytes) => part(bytes, 1))
      const content = Buffer.concat(parts.map(({ bytes }) => bytes))
      const batch = {
        sequence,
        parts,
        bytes: content.length,
        lines: parts.length,
        end: content.length + sequence,
        dropped: sequence - 1
      }
      const frames = Frame.encode(ORIGIN, batch, Frame.HEADER_BYTES + maxContent)
      assert.isTrue(frames.every((frame) => frame.length <= Frame.HEADER_BYTES + maxContent))
      const decoded = frames.map((frame) => Frame.decode(frame)!)
      assert.deepStrictEqual(Buffer.concat(decoded.map((frame) => frame.content)), content)
      assert.strictEqual(frames.length, Math.ceil(content.length / maxContent))
      for (const [i, { dropped, end, isLast, lines, origin, piece, sequence: numbered }] of decoded.entries()) {
        assert.deepStrictEqual(
          { dropped, end, isLast, lines, numbered, origin, piece },
          {
            dropped: Math.min(sequence - 1, 2 ** 32 - 1),
            end: content.length + sequence,
            isLast: i === frames.length - 1,
            lines: parts.length,
            numbered: sequence,
            origin: "0123456789abcdef",
            piece: i
          }
        )
      }
    }
  )

  it("does not take what is too short, or of another version", () => {
    const [frame] = Frame.encode(
      ORIGIN,
      { sequence: 1, parts: [part(1, 1)], bytes: 1, lines: 1, end: 1, dropped: 0 },
      100
    )
    assert.isUndefined(Frame.decode(frame!.subarray(0, Frame.HEADER_BYTES - 1)))
    assert.isUndefined(Frame.decode(Buffer.from("hello, I am a line of text")))
    assert.isUndefined(Frame.decode(Buffer.alloc(0)))
    assert.isDefined(Frame.decode(frame!))
  })
})
