import { assert, describe, it } from "@effect/vitest"
import { eventParser } from "../../src/admin/eventParser.ts"

describe("the parser of the admin server's events", () => {
  const text = 'event: stats\ndata: {"clients":1}\n\nevent: changes\ndata: [2]\n\n'
  const events = [
    { name: "stats", data: { clients: 1 } },
    { name: "changes", data: [2] }
  ]

  it("returns each event once it is complete, wherever the stream is cut", () => {
    for (let at = 0; at <= text.length; at++) {
      const parse = eventParser()
      assert.deepStrictEqual([...parse(text.slice(0, at)), ...parse(text.slice(at))], events)
    }
  })

  it("throws for an event that never ends, and for one without JSON", () => {
    const parse = eventParser()
    assert.deepStrictEqual(parse("x".repeat(1_000_000)), [])
    assert.throws(() => parse("x"), "it sends an event that is too long")
    assert.throws(() => eventParser()("event: a\ndata: b\n\n"), SyntaxError)
  })
})
