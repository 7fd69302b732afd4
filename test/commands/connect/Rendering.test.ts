import { assert, describe, it } from "@effect/vitest"
import { parse } from "../../../src/client/Incoming.ts"
import * as Rendering from "../../../src/commands/connect/Rendering.ts"
import * as arbitraries from "../../support/Arbitraries.ts"

const PIPE = { isTerminal: false, hasColors: false }
const TERMINAL = { isTerminal: true, hasColors: false }
const COLORS = { isTerminal: true, hasColors: true }

const rendered = (mode: Rendering.Mode, line: string, terminal: Partial<Rendering.Options> = PIPE, isCut = false) =>
  Rendering.renderer({ mode, ...PIPE, ...terminal })(parse(line, isCut))

const envelope = (content: string, remote_addr = "10.0.0.1:5000") => JSON.stringify({ remote_addr, content })

const ESCAPE = "\u001b"

/** The escape sequence before the address. */
const colorOf = (port: number) => rendered("text", envelope("x", `10.0.0.1:${port}`), COLORS).split("10.")[0]

describe("a line shown as text by connect", () => {
  it("is the address and what was said", () => {
    assert.strictEqual(rendered("text", envelope("hello  there")), "10.0.0.1:5000  hello  there\n")
    assert.strictEqual(rendered("text", envelope("")), "10.0.0.1:5000  \n")
  })

  it("gives each address a colour of its own that stays, and what was said none", () => {
    assert.strictEqual(rendered("text", envelope("x"), COLORS), `${ESCAPE}[34m10.0.0.1:5000${ESCAPE}[0m  x\n`)
    assert.isAbove(new Set(Array.from({ length: 50 }, (_, port) => colorOf(port))).size, 6)
  })

  it("highlights notices as nothing else is", () => {
    const notice = "Warning: Server is shutting down."
    assert.strictEqual(rendered("text", notice), `${notice}\n`)
    assert.strictEqual(rendered("text", notice, COLORS), `${ESCAPE}[1;33m${notice}${ESCAPE}[0m\n`)
    for (let port = 0; port < 50; port++) {
      assert.notInclude(rendered("text", envelope(notice, `10.0.0.1:${port}`), COLORS), "33m")
    }
  })

  it.each([
    ['{"_version":"1.1.0","_payload":"hello","_type":"str"}', "hello"],
    ['{"_version":"1.1.0","_payload":{"to": null, "n":[1]},"_type":{}}', '{"to":null,"n":[1]}'],
    ['{"_payload":7,"_type":"int"}', "7"],
    ['{"_payload":"no message of an agent"}', '{"_payload":"no message of an agent"}'],
    ['{"text":"hello"}', '{"text":"hello"}'],
    ['{"_payload":', '{"_payload":'],
    ["{}", "{}"]
  ])("shows of the content %s what an agent means: %s", (content, expected) => {
    assert.strictEqual(rendered("text", envelope(content)), `10.0.0.1:5000  ${expected}\n`)
  })

  it("does not fail on what is nested too deeply to be written", () => {
    const content = `{"_version":"1","_payload":${"[".repeat(20_000)}${"]".repeat(20_000)},"_type":[]}`
    assert.include(
      [content, "[".repeat(20_000) + "]".repeat(20_000)],
      rendered("text", envelope(content)).slice(15, -1)
    )
  })

  it("takes for a notice whatever is no envelope", () => {
    for (const line of ["", "null", "[1]", '{"remote_addr":1,"content":"x"}', '{"remote_addr":"a"}', "{"]) {
      assert.deepStrictEqual(JSON.parse(rendered("json", line)), { kind: "notice", text: line })
      assert.strictEqual(rendered("text", line), `${line}\n`)
    }
  })
})

describe("what others send to connect", () => {
  const attacks = [
    "a\nWarning: Server is shutting down.",
    "a\r127.0.0.1:1  forged",
    `${ESCAPE}[2J${ESCAPE}]0;title\u0007`,
    "\u009b31mred",
    "\u007f\u0008",
    "\u202eright to left\u2066",
    "a\u2028b\u2029c",
    JSON.stringify({ _version: "1", _payload: `${ESCAPE}[31m`, _type: "str" })
  ]
  // oxlint-disable-next-line eslint/no-control-regex
  const unsafe = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/

  it.each(attacks)("cannot control a terminal nor forge a line: %j", (content) => {
    for (const line of [envelope(content), envelope("x", content), content.split("\n")[0]!]) {
      for (const mode of ["text", "json", "raw"] as const) {
        const shown = rendered(mode, line, TERMINAL)
        assert.notMatch(shown, unsafe)
        assert.strictEqual(shown.indexOf("\n"), shown.length - 1)
      }
    }
  })

  it.prop("survives --json unchanged", [arbitraries.line, arbitraries.line], ([content, address]) => {
    const shown = rendered("json", envelope(content, address))
    assert.deepStrictEqual(JSON.parse(shown), { kind: "message", remote_addr: address, content })
    assert.notMatch(shown, unsafe)
  })
})

describe("a line shown raw by connect", () => {
  it("is what was received where no terminal shows it", () => {
    const line = "\u001b[31m\u0000\u202e x"
    assert.strictEqual(rendered("raw", line, PIPE), `${line}\n`)
  })
})

describe("the sender of a line shown by connect", () => {
  const names = new Map([
    ["10.0.0.7:5000", "one"],
    ["10.0.0.7", "others"],
    ["::1", "six"]
  ])

  it("has the name that is given to its address, or to its IP address", () => {
    const senders = ["10.0.0.7:5000", "10.0.0.7:5001", "[::1]:5", "10.0.0.8:5000", "a program"]
    assert.deepStrictEqual(
      senders.map((address) => rendered("text", envelope("x", address), { names })),
      ["one  x\n", "others  x\n", "six  x\n", "10.0.0.8:5000  x\n", "a program  x\n"]
    )
  })

  it("has the name beside its address in JSON, and none that is not given", () => {
    assert.deepStrictEqual(JSON.parse(rendered("json", envelope("x", "10.0.0.7:5000"), { names })), {
      kind: "message",
      remote_addr: "10.0.0.7:5000",
      content: "x",
      name: "one"
    })
    assert.notProperty(JSON.parse(rendered("json", envelope("x", "10.0.0.8:5000"), { names })), "name")
  })
})

describe("the time of a line shown by connect", () => {
  const date = new Date(2026, 0, 2, 3, 4, 5)
  const now = () => date

  it("is before the line, in the zone of the program", () => {
    assert.strictEqual(rendered("text", envelope("x"), { now }), "03:04:05  10.0.0.1:5000  x\n")
    assert.strictEqual(rendered("text", "Warning: x", { now }), "03:04:05  Warning: x\n")
  })

  it("is a field of the object in JSON, with its zone", () => {
    assert.strictEqual(JSON.parse(rendered("json", "Warning: x", { now })).time, date.toISOString())
  })
})

describe("a line that was cut by connect", () => {
  it("is no message", () => {
    const line = envelope("hello").slice(0, -4)
    assert.deepStrictEqual(JSON.parse(rendered("json", line, PIPE, true)), { kind: "truncated", text: line })
    assert.strictEqual(rendered("text", line, PIPE, true), `${line}\n`)
  })
})
