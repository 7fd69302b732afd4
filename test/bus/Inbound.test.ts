import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Frame from "../../src/bus/Frame.ts"
import { Inbound } from "../../src/bus/Inbound.ts"
import * as arbitraries from "../support/Arbitraries.ts"

/** The frames of a batch whose content tells its sender and its number. */
const frames = (origin: number, sequence: number, pieces: number) => {
  const bytes = Buffer.from(`${`${origin}:${sequence}`.padEnd(pieces * 20 - 1, ".")}\n`)
  return Frame.encode(
    Buffer.alloc(Frame.ORIGIN_BYTES, origin),
    { sequence, parts: [{ bytes, messages: 1 }], bytes: bytes.length, lines: 1, end: 100_000 + sequence },
    Frame.HEADER_BYTES + Math.ceil(bytes.length / pieces)
  ).map((frame) => Frame.decode(frame)!)
}

describe("Inbound", () => {
  const step = Arbitrary.all({
    origin: arbitraries.int(1, 2),
    pieces: arbitraries.int(1, 3),
    isLost: arbitraries.int(0, 5),
    goBack: arbitraries.int(0, 12)
  })

  it.prop(
    "makes each batch once, in order, whatever is lost or sent again, and knows how many are missing",
    { steps: arbitraries.array(step, { minLength: 1, maxLength: 100 }) },
    ({ steps }) => {
      const inbound = new Inbound(65_536)
      const sent = [0, 0, 0]
      const made: Array<Array<number>> = [[], [], []]
      let lost = 0
      let duplicates = 0
      const take = (frame: Frame.Frame, origin: number) => {
        const arrival = inbound.take(frame, 0)
        lost += arrival.lost
        if (arrival.isDuplicate) duplicates++
        if (arrival.batch === undefined) return
        const [from, sequence] = Buffer.from(arrival.batch.bytes).toString().replaceAll(".", "").split(":").map(Number)
        assert.strictEqual(from, origin)
        made[origin]!.push(sequence!)
      }
      for (const origin of [1, 2]) for (const frame of frames(origin, ++sent[origin]!, 1)) take(frame, origin)
      for (const { goBack, isLost, origin, pieces } of steps) {
        // After a connection was lost, what is not confirmed is sent again.
        if (goBack <= 2) sent[origin] = Math.max(0, sent[origin]! - goBack)
        const all = frames(origin, ++sent[origin]!, pieces)
        for (const [i, frame] of all.entries()) if (isLost !== i + 1) take(frame, origin)
      }
      for (const origin of [1, 2]) for (const frame of frames(origin, ++sent[origin]!, 1)) take(frame, origin)
      const expected = [1, 2].map((origin) => {
        const sequences = made[origin]!
        assert.deepStrictEqual(
          sequences,
          [...new Set(sequences)].toSorted((a, b) => a - b)
        )
        return sequences
      })
      const highest = expected.reduce((sum, sequences) => sum + Math.max(...sequences), 0)
      const arrived = expected.reduce((sum, sequences) => sum + sequences.length, 0)
      assert.isAtLeast(lost, highest - arrived)
      if (steps.every(({ goBack }) => goBack > 2)) {
        assert.strictEqual(lost, highest - arrived)
        assert.strictEqual(duplicates, 0)
      }
      if (steps.every(({ goBack, isLost }) => goBack > 2 && isLost === 0)) {
        assert.deepStrictEqual(
          expected,
          [1, 2].map((origin) => Array.from({ length: sent[origin]! }, (_, i) => i + 1))
        )
      }
    }
  )

  it("does not miss what came before it was there", () => {
    const inbound = new Inbound(65_536)
    assert.strictEqual(inbound.take(frames(1, 500, 1)[0]!, 0).lost, 0)
    assert.strictEqual(inbound.take(frames(1, 503, 1)[0]!, 0).lost, 2)
  })

  it("remembers 1024 processes, and of more those that were heard last", () => {
    const inbound = new Inbound(65_536)
    const take = (origin: string) =>
      inbound.take({ origin, sequence: 1, piece: 0, isLast: true, lines: 1, end: 1, content: Buffer.from("\n") }, 0)
    for (let i = 0; i < 1024; i++) take(`${i}`)
    assert.isTrue(take("0").isDuplicate)
    take("one more")
    assert.isTrue(take("0").isDuplicate)
    assert.isTrue(take("2").isDuplicate)
    assert.isFalse(take("1").isDuplicate)
  })

  it("gives up a batch of which a piece is missing, and takes it whole when it is sent again", () => {
    const inbound = new Inbound(65_536)
    inbound.take(frames(1, 1, 1)[0]!, 0)
    const [first, second, third] = frames(1, 2, 3)
    assert.deepStrictEqual(inbound.take(first!, 0), { batch: undefined, lost: 0, isDuplicate: false })
    // The connection is lost here, and the next one begins with the first piece again.
    for (const frame of [first!, second!]) assert.isUndefined(inbound.take(frame, 0).batch)
    assert.strictEqual(inbound.take(third!, 0).batch?.bytes.length, 60)
    const [start, , end] = frames(1, 3, 3)
    inbound.take(start!, 0)
    assert.deepStrictEqual(inbound.take(end!, 0), { batch: undefined, lost: 1, isDuplicate: false })
    assert.isDefined(inbound.take(frames(1, 4, 1)[0]!, 0).batch)
  })

  it("does not keep more of an unfinished batch than a batch can have", () => {
    const inbound = new Inbound(65_536)
    const content = Buffer.alloc(1024 * 1024)
    const lost = Array.from(
      { length: 30 },
      (_, piece) => inbound.take({ origin: "a", sequence: 1, piece, isLast: false, lines: 1, end: 1, content }, 0).lost
    )
    assert.strictEqual(lost.indexOf(1), 17)
    assert.strictEqual(
      lost.reduce((sum, n) => sum + n),
      1
    )
  })
})
