/** Where a text stops being JSON, and why, in words for its author. `JSON.parse` words this differently in every release of Node.js. */
import { visit } from "jsonc-parser"
import { ConfigError } from "./ConfigError.ts"
import { HIDDEN, showShort } from "./redact.ts"

/** What the grammar wants next. */
type Next = "value" | "key" | "colon" | "comma"

/** The parser recurses; `server.json` has four levels. */
const MAX_DEPTH = 100

/** A string, up to its closing quote or the first character that cannot be in one. */
// oxlint-disable-next-line eslint/no-control-regex
const STRING = /^"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*/

/** Words that mean a value in some language, so that they are no secret without its quotes. */
const LITERAL = /^(?:true|false|null|nil|none|undefined|nan|infinity|yes|no|on|off)$/i

const COMMENT = /^(?:#|\/[/*])/

const expectedAs = (next: Next, closer: string | undefined, before: string): string => {
  if (next === "key") return `a key in double quotes${before.endsWith("{") ? ' or "}"' : ""}`
  if (next === "comma") return closer === undefined ? "the end of the file" : `"," or "${closer}"`
  return next === "colon" ? '":"' : "a value"
}

/** Nothing of strings, comments and, but for a key, words: each may be a secret. */
const foundIn = (token: string, next: Next, before: string): string => {
  if (token === "") return before === "" ? "an empty file" : "the end of the file"
  if (token.startsWith('"')) return "a string"
  if (COMMENT.test(token)) return "a comment"
  return next === "key" || LITERAL.test(token) || /^[[\]{},:]$/.test(token) ? showShort(token) : HIDDEN
}

const hintFor = (token: string, next: Next, before: string): string => {
  if (/^[}\]]/.test(token) && before.endsWith(",")) return `remove the comma before "${token}"`
  if (token.startsWith("'")) return "JSON strings are in double quotes"
  if (COMMENT.test(token)) return "JSON has no comments"
  return next === "value" && /^[A-Za-z_]/.test(token) && !LITERAL.test(token) ? "strings are in double quotes" : ""
}

/** The first line of a mapping, or the mark of a document. No text that was meant as JSON begins so. */
const YAML = /^(?:[ \t\r]*(?:#[^\n]*)?\n)*(?:---|%YAML|[\w$-]+:(?:\s|$))/

/** What makes a text no JSON, with its line and column, both counted from 1. For a text that `JSON.parse` refuses. */
export const jsonSyntaxError = (source: string, text: string): ConfigError => {
  const summary = YAML.test(text) ? "YAML, where JSON is read" : "invalid JSON"
  const closers: Array<string> = []
  let next: Next = "value"
  let error: ConfigError | undefined

  const report = (line: number, column: number, expected: string, found: string, hint = "") => {
    const path = `line ${line + 1}, column ${column + 1}`
    error ??= new ConfigError({ source, summary, issues: [{ path, expected, found, hint }] })
  }
  const begin = (closer: string, then: Next) => (_: number, _length: number, line: number, column: number) => {
    closers.push(closer)
    next = then
    if (closers.length <= MAX_DEPTH) return
    report(line, column, `at most ${MAX_DEPTH} objects and lists in each other`, "another one")
    throw error
  }
  /** Also called where the file ends instead. */
  const end = (_: number, length: number) => {
    if (length === 0) return
    closers.pop()
    next = "comma"
  }
  const onError = (_: number, offset: number, length: number, line: number, column: number) => {
    const token = text.slice(offset, offset + length)
    const before = text.slice(0, offset).trimEnd()
    const valid = STRING.exec(token)?.[0] ?? ""
    if (valid === "" || token === `${valid}"`) {
      return report(
        line,
        column,
        expectedAs(next, closers.at(-1), before),
        foundIn(token, next, before),
        hintFor(token, next, before)
      )
    }
    const stop = text.charAt(offset + valid.length)
    const expected = stop === "\\" ? 'a valid escape such as \\n, \\" or \\\\' : 'the closing " of a string'
    const found = stop === "" ? "the end of the file" : /[\r\n]/.test(stop) ? "the end of the line" : showShort(stop)
    report(line, column + valid.length, expected, found)
  }

  try {
    const visitor = {
      onObjectBegin: begin("}", "key"),
      onArrayBegin: begin("]", "value"),
      onObjectProperty: () => void (next = "colon"),
      onSeparator: (char: string) => void (next = char === ":" || closers.at(-1) === "]" ? "value" : "key"),
      onLiteralValue: () => void (next = "comma"),
      onObjectEnd: end,
      onArrayEnd: end,
      onError
    }
    visit(text, visitor, { disallowComments: true })
  } catch (cause) {
    if (cause !== error) throw cause
  }
  return error!
}
