import { assert, describe, it } from "@effect/vitest"
import { Histogram } from "../../src/internal/Histogram.ts"

describe("Histogram", () => {
  it("counts values up to and including each bound, and those above them all in the count only", () => {
    const histogram = new Histogram([1, 10])
    assert.deepStrictEqual(histogram.distribution, {
      buckets: [
        [1, 0],
        [10, 0]
      ],
      count: 0,
      sum: 0,
      min: 0,
      max: 0
    })
    histogram.observe(1, 2)
    histogram.observe(2, 1)
    histogram.observe(10, 1)
    histogram.observe(11, 3)
    assert.deepStrictEqual(histogram.distribution, {
      buckets: [
        [1, 2],
        [10, 4]
      ],
      count: 7,
      sum: 47,
      min: 1,
      max: 11
    })
  })
})
