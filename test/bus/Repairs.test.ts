import { assert, describe, it } from "@effect/vitest"
import type { Batch } from "../../src/bus/Frame.ts"
import { Repairs } from "../../src/bus/Repairs.ts"
import { WINDOW_BYTES } from "../../src/bus/windows.ts"

const BATCHES = 100
const BATCH_BYTES = WINDOW_BYTES / 8

const batchFrom = (sequence: number): Batch | undefined =>
  sequence > BATCHES
    ? undefined
    : { sequence, parts: [], bytes: BATCH_BYTES, lines: 1, end: sequence * BATCH_BYTES, dropped: 0 }

describe("Repairs", () => {
  it("serves all that have missed batches in turn, however fast the first one takes its own", () => {
    const repairs = new Repairs(batchFrom, () => {})
    const got: Record<string, Array<number>> = { fast: [], other: [] }
    for (const id in got) assert.isTrue(repairs.begin(id, batchFrom(1)!))
    for (let round = 1; round <= 4; round++) {
      repairs.send(({ sequence }, id) => void got[id]!.push(sequence))
      assert.strictEqual(repairs.unconfirmedBytes, WINDOW_BYTES)
      repairs.unconfirmedBytes = 0
      for (const [id, sequences] of Object.entries(got)) repairs.acknowledged(id, sequences.at(-1)! * BATCH_BYTES)
      const sequences = Array.from({ length: 4 * round }, (_, i) => i + 1)
      assert.deepStrictEqual(got, { fast: sequences, other: sequences })
    }
    repairs.clear()
  })

  it("sends a process no more than its window until it has handled some, and forgets one that has got everything", () => {
    const repairs = new Repairs(batchFrom, () => {})
    const got: Array<string> = []
    const send = () => {
      repairs.send(({ sequence }, id) => void got.push(`${id} ${sequence}`))
      repairs.unconfirmedBytes = 0
      return got.splice(0)
    }
    repairs.begin("slow", batchFrom(1)!)
    assert.strictEqual(send().length, 8)
    assert.deepStrictEqual(send(), [])
    repairs.begin("late", batchFrom(BATCHES)!)
    assert.deepStrictEqual(send(), [`late ${BATCHES}`])
    assert.isTrue(repairs.acknowledged("slow", BATCH_BYTES))
    assert.isFalse(repairs.acknowledged("late", BATCHES * BATCH_BYTES))
    assert.deepStrictEqual(send(), ["slow 9"])
    repairs.clear()
  })
})
