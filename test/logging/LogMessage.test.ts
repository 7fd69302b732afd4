import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as LogMessage from "../../src/logging/LogMessage.ts"

const logged = (content: string, keys: ReadonlyArray<string> | null) =>
  LogMessage.readContent(content, keys === null ? null : new Set(keys))

const envelope = (content: string, keys: ReadonlyArray<string> | null = null) =>
  JSON.parse(LogMessage.relayedJson("1.2.3.4:5", logged(content, keys)))

const text = (entry: Partial<Parameters<typeof LogMessage.eventText>[0]>) =>
  LogMessage.eventText({
    message: [],
    cause: Cause.empty,
    stacks: "none",
    timeMillis: 50,
    spans: [],
    annotations: {},
    ...entry
  })

describe("a content that the scanner cannot tell, by its length or without WebAssembly,", () => {
  it.each(['{"a":[1,"b"]}', '"text"', "12", "{", '{"a":01}', "plain text", "nul"])(
    "is read as it reads others: %s",
    (content) => {
      const isJson = logged(content, null).isJson
      assert.deepStrictEqual(logged(content + " ".repeat(65_537), null), {
        text: content + " ".repeat(65_537),
        isJson,
        isPlain: false
      })
      assert.isFalse(LogMessage.readContent(content + " ".repeat(65_537), null, false).isJson)
    }
  )
})

describe("log_keys", () => {
  const content = JSON.stringify({
    _version: "1.0",
    _payload: { text: "hi", secret: "x" },
    _type: { text: "str", secret: "str" },
    other: "y"
  })

  it("keeps the version and the listed keys of payload and type", () => {
    assert.deepStrictEqual(JSON.parse(logged(content, ["text", "other"]).text), {
      _version: "1.0",
      _payload: { text: "hi" },
      _type: { text: "str" }
    })
  })

  it("keeps nothing but the version when the list is empty", () => {
    assert.deepStrictEqual(JSON.parse(logged(content, []).text), { _version: "1.0", _payload: {}, _type: {} })
  })

  it("leaves out a payload that is no object", () => {
    assert.strictEqual(logged('{"_payload":"secret","_type":["secret"]}', ["secret"]).text, "{}")
  })

  it("prunes an object whatever white space is around it", () => {
    assert.strictEqual(logged(' \t{"a":1}\r', ["a"]).text, "{}")
  })

  it("prunes the objects in an array, in arrays within it too", () => {
    const message = { _payload: { a: 1, secret: 2 }, other: 3 }
    assert.deepStrictEqual(JSON.parse(logged(JSON.stringify([message, [message], 4, "x"]), ["a"]).text), [
      { _payload: { a: 1 } },
      [{ _payload: { a: 1 } }],
      4,
      "x"
    ])
  })

  it("leaves content whole that has no object", () => {
    for (const whole of ["plain", "[1]", "12", "null", '{"a":', JSON.stringify('{"a":1}'), ""]) {
      assert.strictEqual(logged(whole, ["a"]).text, whole)
    }
  })

  it("keeps keys that mean something to JavaScript, and nothing they could smuggle in", () => {
    const tricky = '{"__proto__":{"_version":"forged"},"_payload":{"__proto__":1,"constructor":2,"x":3}}'
    assert.strictEqual(
      logged(tricky, ["__proto__", "constructor"]).text,
      '{"_payload":{"__proto__":1,"constructor":2}}'
    )
  })

  it("survives, and does not leak, content of any depth", () => {
    const deep = `{"_payload":{"a":${"[".repeat(30_000)}${"]".repeat(30_000)},"secret":"x"}}`
    assert.notInclude(logged(deep, ["a"]).text, "secret")
  })
})

describe("a relayed message", () => {
  const content = '{"_payload":{"a":1,"b":2}}'

  it("is its envelope in JSON, with an object as an object and text as a string", () => {
    assert.deepStrictEqual(envelope('{"a":[1]}'), { remote_addr: "1.2.3.4:5", content: { a: [1] } })
    assert.deepStrictEqual(envelope('say "hi"\n'), { remote_addr: "1.2.3.4:5", content: 'say "hi"\n' })
    assert.deepStrictEqual(envelope(content, ["a"]).content, { _payload: { a: 1 } })
  })

  it("has valid JSON of any type as that value, and everything else as a string", () => {
    for (const json of ["[1, 2]", "42", " -1.5e3\t", "true", "null", '"hi"', "[]"]) {
      assert.deepStrictEqual(envelope(json).content, JSON.parse(json), json)
    }
    for (const text of ["[1, 2", "042", "1.", "truely", "null x", '"hi', "NaN", "-", "", "42 [1]"]) {
      assert.deepStrictEqual(envelope(text).content, text, text)
    }
  })

  it("has JSON of a hundred levels as what it is, and deeper JSON as a string", () => {
    const nested = (depth: number) => `${"[".repeat(depth - 1)}{"a":"]]{{\\"["}${"]".repeat(depth - 1)}`
    assert.isArray(envelope(nested(100)).content)
    assert.strictEqual(envelope(nested(101)).content, nested(101))
    assert.strictEqual(envelope(nested(20_000)).content, nested(20_000))
    const mixed = (depth: number) => `${'[{"a":'.repeat(depth / 2)}1${"}]".repeat(depth / 2)}`
    assert.isArray(envelope(mixed(100)).content)
    assert.strictEqual(envelope(mixed(102)).content, mixed(102))
    const wide = JSON.stringify(Array.from({ length: 300 }, () => [{}]))
    assert.isArray(envelope(wide).content)
    assert.strictEqual(envelope(nested(101), ["a"]).content, "[content nested too deeply to be logged]")
  })

  it("keeps numbers that JavaScript cannot hold", () => {
    const line = LogMessage.relayedJson("a", logged('{"id":12345678901234567890}', null))
    assert.include(line, "12345678901234567890")
  })

  it("stays on one line though its JSON has line breaks", () => {
    const line = LogMessage.relayedJson("a", logged('{\r"a":\t1\n}', null))
    assert.notMatch(line, /[\r\n\t]/)
    assert.deepStrictEqual(JSON.parse(line).content, { a: 1 })
  })

  it("is From <address>: <content> in text", () => {
    assert.strictEqual(LogMessage.relayedText("1.2.3.4:5", logged(content, null)), `From 1.2.3.4:5: ${content}`)
  })
})

describe("an event", () => {
  class PeerError extends Data.TaggedError("PeerError")<{ readonly peer: string }> {}

  it("joins its messages, and shows objects as JSON", () => {
    assert.strictEqual(text({ message: ["joined", { n: 3 }, 7n, undefined] }), 'joined {"n":3} 7 undefined')
  })

  it("ends with spans and annotations", () => {
    const shown = text({ message: ["x"], spans: [["session", 20]], annotations: { client: "a", n: 1 } })
    assert.strictEqual(shown, "x session=30ms client=a n=1")
  })

  it("shows an error by its name and message, and one without a message by its fields", () => {
    assert.strictEqual(text({ cause: Cause.fail(new TypeError("bad")) }), "(TypeError: bad)")
    assert.include(text({ message: [new PeerError({ peer: "p1" })] }), '"peer":"p1"')
  })

  it("has stacks only when asked for: of defects, or of all", () => {
    const fail = Cause.fail(new TypeError("bad"))
    const die = Cause.die(new TypeError("bad"))
    assert.notInclude(text({ cause: fail, stacks: "defects" }), " at ")
    assert.include(text({ cause: fail, stacks: "all" }), "LogMessage.test.ts")
    assert.include(text({ cause: die, stacks: "defects" }), "LogMessage.test.ts")
    assert.notInclude(text({ cause: die, stacks: "none" }), " at ")
  })

  it("shows something for any value, however odd", () => {
    const circular: Record<string, unknown> = {}
    circular["self"] = circular
    const hostile = {
      toJSON() {
        throw new Error("no")
      }
    }
    class Hostile extends Error {
      override get message(): string {
        throw new Error("no")
      }
    }
    const odd = [circular, hostile, Symbol("s"), Object.create(null), new Hostile(), () => 1, NaN, null]
    for (const value of odd)
      assert.isNotEmpty(text({ message: [value], annotations: { value }, cause: Cause.die(value) }))
  })
})
