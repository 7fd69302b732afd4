import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Frames from "../../src/workers/Frames.ts"
import * as arbitraries from "../support/Arbitraries.ts"

const batch = Arbitrary.map(
  Arbitrary.all([Arbitrary.array(arbitraries.line, { maxLength: 3 }), arbitraries.int(0, 40_000)]),
  ([lines, padding]) => [...lines, "x".repeat(padding)].map((line) => Buffer.from(`${line}\n`))
)

const framesOf = (chunks: ReadonlyArray<Buffer>) => {
  const frames: Array<readonly [kind: number, sequence: number, lines: number, content: string]> = []
  const reader = new Frames.FrameReader(({ content, kind, lines, sequence }) =>
    frames.push([kind, sequence, lines, content.toString()])
  )
  for (const chunk of chunks) assert.isTrue(reader.push(chunk))
  return frames
}

describe("frames", () => {
  it.prop(
    "are read as they were written, however the stream is cut",
    {
      batches: Arbitrary.array(batch, { maxLength: 4 }),
      cuts: Arbitrary.array(arbitraries.int(0, 200_000), { maxLength: 8 })
    },
    ({ batches, cuts }) => {
      const written = batches.flatMap((parts, i) => {
        const bytes = parts.reduce((sum, { length }) => sum + length, 0)
        const parcels = parts.map((bytes) => ({ bytes, messages: 1 }))
        return [
          Frames.encode(Frames.CONTROL, `between ${i}`),
          ...Frames.encodeBatch(parcels, bytes, parts.length, i + 1).map(({ bytes }) => bytes)
        ]
      })
      const stream = Buffer.concat(written)
      const at = cuts.map((cut) => cut % (stream.length + 1)).toSorted((a, b) => a - b)
      const chunks = [...at, stream.length].map((end, i) => stream.subarray(i === 0 ? 0 : at[i - 1]!, end))
      assert.deepStrictEqual(
        framesOf(chunks),
        batches.flatMap((parts, i) => [
          [Frames.CONTROL, 0, 0, `between ${i}`] as const,
          [Frames.BATCH, i + 1, parts.length, Buffer.concat(parts).toString()] as const
        ])
      )
    }
  )

  it("are not read from a stream of something else", () => {
    const reader = new Frames.FrameReader(() => assert.fail("there is no frame"))
    assert.isFalse(reader.push(Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")))
  })
})
