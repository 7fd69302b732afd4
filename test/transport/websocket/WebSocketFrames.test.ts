import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import { BatchMemory } from "../../../src/room/BatchMemory.ts"
import {
  type Ending,
  FrameDecoder,
  MAX_EMPTY_FRAMES,
  ofLines
} from "../../../src/transport/websocket/WebSocketFrames.ts"
import { boolean, int, line } from "../../support/Arbitraries.ts"
import { BINARY, CLOSE, frame, frames, PING, PONG, TEXT } from "../../support/WebSocketClient.ts"
import { runs } from "../../support/runs.ts"

const CONTINUATION = 0

/** The lines of what arrives in these chunks, and how it ended. */
const decode = (chunks: ReadonlyArray<Uint8Array>) => {
  const decoder = new FrameDecoder()
  const lines = Buffer.concat(chunks.map((chunk) => Buffer.from(decoder.decode(Buffer.from(chunk))))).toString()
  return { lines, ending: decoder.ending, isInMessage: decoder.isInMessage, ping: decoder.ping }
}

/** The bytes in chunks of these sizes, over and over. */
const cut = (bytes: Uint8Array, sizes: ReadonlyArray<number>): Array<Uint8Array> => {
  const chunks: Array<Uint8Array> = []
  for (let from = 0, i = 0; from < bytes.length; i++) {
    const size = sizes[i % sizes.length]!
    chunks.push(bytes.subarray(from, from + size))
    from += size
  }
  return chunks
}

const problem = (ending: Ending | undefined) => ending !== undefined && "problem" in ending && ending.problem

/** A message in parts, with pings between them. */
const message = Arbitrary.map(
  Arbitrary.all([line, Arbitrary.array(int(0, 300), { maxLength: 4 }), boolean, boolean, int(1, 60)]),
  ([text, cuts, isBinary, hasPings, times]) => {
    const content = text.repeat(times)
    const bytes = Buffer.from(content)
    const ends = [...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length].toSorted((a, b) => a - b)
    const parts = ends.map((end, i) => {
      const part = bytes.subarray(ends[i - 1] ?? 0, end)
      const opcode = i > 0 ? CONTINUATION : isBinary ? BINARY : TEXT
      const sent = frame(opcode, part, { fin: i === ends.length - 1 })
      return hasPings ? Buffer.concat([sent, frame(PING, "there?"), frame(PONG, "")]) : sent
    })
    return { content, bytes: Buffer.concat(parts) }
  }
)

describe("FrameDecoder", () => {
  it.prop(
    "finds the messages, however they are cut into frames and chunks",
    {
      messages: Arbitrary.array(message, { maxLength: 6 }),
      sizes: Arbitrary.array(int(1, 90), { minLength: 1, maxLength: 5 })
    },
    ({ messages, sizes }) => {
      const bytes = Buffer.concat([...messages.map(({ bytes }) => bytes), frame(CLOSE, Buffer.of(0x03, 0xe8))])
      const { ending, lines } = decode(cut(bytes, sizes))
      assert.strictEqual(lines, messages.map(({ content }) => `${content}\n`).join(""))
      assert.deepStrictEqual(ending, { code: 1000 })
    },
    runs(100)
  )

  it("takes a line end in a message for what it is", () => {
    const sent = ["", "\n", "a\n", "a\r\n", "a\nb", "a\n\n"].map((text) => frame(TEXT, text))
    assert.strictEqual(decode(sent).lines, "\n\na\na\r\na\nb\na\n\n")
  })

  it("hands out what has arrived of a message", () => {
    const bytes = frame(TEXT, "x".repeat(70_000))
    const { isInMessage, lines } = decode([bytes.subarray(0, 60_000)])
    assert.strictEqual(lines.length, 60_000 - 14)
    assert.isTrue(isInMessage)
  })

  it("answers the last ping only", () => {
    assert.deepStrictEqual(decode([frame(PING, "a"), frame(PING, "b")]).ping, Buffer.from("b"))
  })

  it("ends with a close frame, with a code or without", () => {
    const endings = [frame(CLOSE, ""), frame(CLOSE, Buffer.of(0x0f, 0xa0, 0x62, 0x79, 0x65))].map(
      (bytes) => decode([frame(TEXT, "last"), bytes, frame(TEXT, "too late")]) // 4000 "bye"
    )
    assert.deepStrictEqual(
      endings.map(({ ending, lines }) => [ending, lines]),
      [
        [{ code: undefined }, "last\n"],
        [{ code: 4000 }, "last\n"]
      ]
    )
  })

  it("does not take what breaks the rules", () => {
    const cases: ReadonlyArray<readonly [Uint8Array, string]> = [
      [frame(TEXT, "a", { masked: false }), "a frame without a mask"],
      [frame(TEXT, "a", { reserved: 0x40 }), "a frame with reserved bits"],
      [frame(3, "a"), "a frame of the unknown kind 3"],
      [frame(11, "a"), "a frame of the unknown kind 11"],
      [frame(CONTINUATION, "a"), "a continuation of no message"],
      [Buffer.concat([frame(TEXT, "a", { fin: false }), frame(TEXT, "b")]), "a message within a message"],
      [frame(PING, "a", { fin: false }), "a control frame in parts"],
      [frame(PING, "a".repeat(126)), "a control frame that is too long"],
      [frame(CLOSE, "a"), "a close frame without a valid code"],
      [frame(CLOSE, Buffer.of(0x03, 0xed)), "a close frame without a valid code"], // 1005
      [frame(CLOSE, Buffer.of(0x07, 0xd0)), "a close frame without a valid code"], // 2000
      [Buffer.concat([Buffer.of(0x81, 0xff), Buffer.alloc(12, 0xff)]), "a frame that is too long"]
    ]
    for (const [bytes, expected] of cases) assert.strictEqual(problem(decode([bytes]).ending), expected)
  })
})

describe("ofLines", () => {
  const lengths = [0, 1, 125, 126, 127, 65_535, 65_536, 70_000]

  it("makes one text frame of each line", () => {
    const lines = lengths.map((length) => "ü".repeat(length / 2) + "x".repeat(length % 2))
    const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""))
    assert.deepStrictEqual(
      frames()(ofLines(bytes)).map(({ opcode, payload }) => [opcode, payload.toString()]),
      lines.map((line) => [TEXT, line])
    )
  })

  it("makes them once for the same bytes, which are on their way to many", () => {
    const bytes = Buffer.from("a\nb\n")
    assert.strictEqual(ofLines(bytes), ofLines(bytes))
    assert.notStrictEqual(ofLines(bytes), ofLines(Buffer.from("a\nb\n")))
  })

  it("makes them once for all slices of the same batch", () => {
    const lines = lengths.map((length) => `${"x".repeat(length)}\n`)
    const batch = Buffer.from(lines.join(""))
    const whole = ofLines(batch)
    for (let from = 0; from < lines.length; from++) {
      for (let to = from + 1; to <= lines.length; to++) {
        const start = lines.slice(0, from).join("").length
        const slice = batch.subarray(start, start + lines.slice(from, to).join("").length)
        const sliced = ofLines(slice, batch)
        assert.deepStrictEqual(Buffer.from(sliced), Buffer.from(ofLines(Buffer.from(slice))))
        assert.strictEqual(sliced.buffer, whole.buffer)
      }
    }
  })
})

describe("the memory of frames", () => {
  const lines = Buffer.from(`${"x".repeat(1000)}\n`.repeat(100))

  it("is used again once the batch that they are made of is released, not before", () => {
    const memory = new BatchMemory()
    const first = memory.take(lines.length).fill(lines)
    const second = memory.take(lines.length).fill(lines)
    const frames = ofLines(first)
    assert.notStrictEqual(ofLines(second).buffer, frames.buffer)
    memory.release(first)
    const third = memory.take(lines.length).fill(lines)
    assert.strictEqual(ofLines(third).buffer, frames.buffer)
    assert.deepStrictEqual(Buffer.from(ofLines(third)), Buffer.from(ofLines(Buffer.from(lines))))
  })
})

describe("frames that end no message", () => {
  const flood = (count: number, one: Uint8Array) => Buffer.concat(Array.from({ length: count }, () => one))
  const kinds: ReadonlyArray<readonly [name: string, before: Uint8Array, one: Uint8Array]> = [
    ["pings", Buffer.alloc(0), frame(PING, "")],
    ["empty continuations", frame(TEXT, "x", { fin: false }), frame(CONTINUATION, "", { fin: false })]
  ]

  it.each(kinds)("are bounded: %s", (_, before, one) => {
    const begun = before.length > 0 ? 1 : 0
    const enough = flood(MAX_EMPTY_FRAMES - begun, one)
    assert.isUndefined(decode([before, enough]).ending)
    assert.strictEqual(problem(decode([before, enough, one]).ending), "too many frames that end no message")
  })

  it("are counted anew after a message, and after each ping of the server", () => {
    const decoder = new FrameDecoder()
    for (const spare of [() => decoder.decode(Buffer.from(frame(TEXT, "x"))), () => decoder.resetEmptyFrames()]) {
      decoder.decode(Buffer.from(flood(MAX_EMPTY_FRAMES, frame(PONG, ""))))
      spare()
      decoder.decode(Buffer.from(frame(PONG, "")))
      assert.isUndefined(decoder.ending)
      spare()
    }
  })
})
