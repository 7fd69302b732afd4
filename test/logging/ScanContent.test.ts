import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import { escapeText } from "../../src/internal/escape.ts"
import { MAX_DEPTH, scanContent } from "../../src/logging/scanContent.ts"
import * as arbitraries from "../support/Arbitraries.ts"
import { runs } from "../support/runs.ts"

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** `JSON.parse` is the model for one, `escapeText` for the other, which may be unknown for characters beyond ASCII. */
const check = (text: string) => {
  const { isJson: found, isPlain } = scanContent(text, true)!
  // One assertion, of whatever is wrong: thousands of them take longer than what they are of.
  if (found === isJson(text) && (isPlain ? escapeText(text) === text : /[^ -~]/.test(text))) return
  assert.fail(`${JSON.stringify(text)} is found to be ${JSON.stringify({ isJson: found, isPlain })}`)
}

/** What JSON is made of, some of it broken. */
const TOKENS = [
  ..."{}[],:",
  " ",
  "\t",
  "\r",
  '"a"',
  '"',
  '"\\"\\\\"',
  '"\\u00e9"',
  '"\\u00g0"',
  '"\\x"',
  "0",
  "-",
  "01",
  "1.5e+3",
  "1."
]
const MORE = [
  "2e",
  "-0",
  ".5",
  "true",
  "false",
  "null",
  "tru",
  "nul",
  "fals",
  "+1",
  "é",
  "\u2028",
  "\u007f",
  "\\",
  "NaN",
  "\ufeff"
]

const token = Arbitrary.map(arbitraries.int(0, TOKENS.length + MORE.length - 1), (n) => [...TOKENS, ...MORE][n]!)
const tokens = Arbitrary.map(arbitraries.array(token, { maxLength: 9 }), (found) => found.join(""))

/** JSON with strings of all lengths around sixteen bytes. */
const json = Arbitrary.map(
  Arbitrary.all([arbitraries.line, arbitraries.line, arbitraries.int(-1e9, 1e9)]),
  ([key, text, number]) =>
    JSON.stringify(
      { [key]: [text, { text, number: number / 1000, [text]: [] }, null, true, false, {}], key },
      null,
      number % 3
    )
)

describe("scanContent", () => {
  it.prop("finds in any tokens the JSON that JSON.parse finds", { tokens }, ({ tokens }) => check(tokens), runs(4000))

  it.prop(
    "finds JSON, and not what is one character different from it",
    { json, at: arbitraries.int(0, 1000), by: arbitraries.line },
    ({ at, by, json }) => {
      const from = at % json.length
      check(json)
      check(json.slice(0, from))
      check(json.slice(0, from) + json.slice(from + 1))
      check(json.slice(0, from) + by.slice(0, 1) + json.slice(from + 1))
      check(json + by)
    },
    runs(500)
  )

  it.prop(
    "finds the texts in which nothing has to be escaped",
    { line: arbitraries.line },
    ({ line }) => check(line),
    runs(2000)
  )

  it("knows what may be in a string, and behind a backslash in it", () => {
    for (let code = 0; code < 0x80; code++) {
      check(`"${String.fromCharCode(code)}"`)
      check(`["\\${String.fromCharCode(code)}0000"]`)
    }
  })

  it("knows each character that has to be escaped", () => {
    for (let code = 0; code < 0xd800; code++) {
      const character = String.fromCharCode(code)
      if (escapeText(character) !== character) check(`a${character}b`)
    }
  })

  it("reads nothing behind a text, which may be what was there before", () => {
    for (const longer of ['"abc"', "12345", "truefalse", '{"a":1}', '"\\u00e9"', "[[[]]]", '["ab",true]']) {
      for (let length = 0; length < longer.length; length++) {
        scanContent(longer + longer, true)
        check(longer.slice(0, length))
      }
    }
  })

  it("counts how deep JSON is nested, and leaves deeper JSON to others", () => {
    const nested = (depth: number) => '{"a":['.repeat(depth / 2) + "]}".repeat(depth / 2)
    assert.isTrue(scanContent(nested(MAX_DEPTH), true)!.isJson)
    assert.isTrue(scanContent(`[${`${nested(MAX_DEPTH - 2)},`.repeat(9)}0]`, true)!.isJson)
    assert.isUndefined(scanContent(nested(MAX_DEPTH + 2), true))
  })

  it("leaves texts to others that are too long for its memory", () => {
    const longest = "€".repeat(65_534)
    assert.deepStrictEqual(scanContent(`"${longest}"`, true), { isJson: true, isPlain: false })
    assert.isUndefined(scanContent(`"${longest}€"`, true))
  })

  it("does not look for JSON that nobody asks for", () => {
    assert.deepStrictEqual(scanContent("{}", false), { isJson: false, isPlain: true })
  })
})
