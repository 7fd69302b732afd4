import { assert, describe, it } from "@effect/vitest"
import { LineResume } from "../../src/client/LineResume.ts"

const next = (lines: LineResume, text: string) => Buffer.from(lines.next(Buffer.from(text))).toString()

describe("the input of connect, sent over more than one connection,", () => {
  it("goes on with the next line when a line was cut", () => {
    const lines = new LineResume()
    assert.strictEqual(next(lines, "one\ntw"), "one\ntw")
    assert.isTrue(lines.restart())
    assert.strictEqual(next(lines, "o, and still"), "")
    assert.strictEqual(next(lines, " two\nthree\n"), "three\n")
    assert.strictEqual(next(lines, "four\n"), "four\n")
  })

  it("still leaves the rest out when the next connection is lost before its end", () => {
    const lines = new LineResume()
    next(lines, "one")
    lines.restart()
    next(lines, ", one")
    assert.isTrue(lines.restart())
    assert.strictEqual(next(lines, " and one\n"), "")
    assert.isFalse(lines.isInside)
    assert.strictEqual(next(lines, "two\n"), "two\n")
  })

  it("is complete when the connection was lost between two lines", () => {
    const lines = new LineResume()
    next(lines, "one\n")
    assert.isFalse(lines.restart())
    assert.strictEqual(next(lines, "two\n"), "two\n")
  })
})
