/** Where a text is no JSON, and why, in words for its author. */
import { ConfigError } from "./ConfigError.ts"
import { HIDDEN, showShort } from "./redact.ts"

const WHITESPACE = /[ \t\n\r]*/y
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y
const STRING_START = /"(?:[ !#-[\]-\uffff]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*/y
const WORD = /[\w.+-]+/y

const matchAt = (pattern: RegExp, text: string, offset: number): string => {
  pattern.lastIndex = offset
  return pattern.exec(text)?.[0] ?? ""
}

type Token = "value" | "first value" | "key" | "first key" | "colon" | "comma"

interface Mistake {
  readonly offset: number
  /** What should be there. All but a key may be a secret without its quotes. */
  readonly next: Token
  readonly expected: string
  readonly hint: string
}

/**
 * Where and why a text is not JSON. `JSON.parse` says so in words that change with every Node release, often without a
 * position, hence this scanner: it runs only on a text that `JSON.parse` refused.
 */
const locateMistake = (text: string): Mistake => {
  const open: Array<"{" | "["> = []
  let next: Token = "value"
  let offset = 0

  const stop = (expected: string, at = offset): Mistake => {
    return { offset: at, next, expected, hint: hintAt(text, at, next) }
  }

  while (true) {
    offset += matchAt(WHITESPACE, text, offset).length
    const char = text[offset]
    const closer = open.at(-1) === "{" ? "}" : "]"
    if (next === "comma" && open.length === 0) {
      return stop("the end of the file")
    } else if (char === closer && open.length > 0 && (next === "comma" || next.startsWith("first"))) {
      open.pop()
      offset += 1
      next = "comma"
    } else if (next === "comma") {
      if (char !== ",") return stop(`"," or "${closer}"`)
      offset += 1
      next = closer === "}" ? "key" : "value"
    } else if (next === "colon") {
      if (char !== ":") return stop('":"')
      offset += 1
      next = "value"
    } else if ((char === "{" || char === "[") && !next.endsWith("key")) {
      open.push(char)
      offset += 1
      next = char === "{" ? "first key" : "first value"
    } else {
      const isKey = next.endsWith("key")
      if (char === '"') {
        const end = offset + matchAt(STRING_START, text, offset).length
        if (text[end] === "\\") return stop('a valid escape such as \\n, \\" or \\\\', end)
        if (text[end] !== '"') return stop('the closing " of a string', end)
        offset = end + 1
      } else {
        const scalar = isKey ? "" : matchAt(SCALAR, text, offset)
        if (scalar === "") {
          return stop(isKey ? `a key in double quotes${next === "first key" ? ' or "}"' : ""}` : "a value")
        }
        offset += scalar.length
      }
      next = isKey ? "colon" : "comma"
    }
  }
}

const hintAt = (text: string, offset: number, next: Token): string => {
  const char = text[offset]
  if ((char === "}" || char === "]") && text.slice(0, offset).trimEnd().endsWith(",")) {
    return `remove the comma before "${char}"`
  }
  if (char === "'") return "JSON strings are in double quotes"
  if (next.endsWith("value") && /^[A-Za-z_]/.test(char ?? "") && !isLiteral(matchAt(WORD, text, offset))) {
    return "strings are in double quotes"
  }
  if (char === "#" || text.startsWith("//", offset) || text.startsWith("/*", offset)) return "JSON has no comments"
  return ""
}

/** Words that stand for a value in this or that language, and for nobody's password. */
const isLiteral = (word: string): boolean =>
  /^(?:true|false|null|nil|none|undefined|nan|infinity|yes|no|on|off)$/i.test(word)

const foundAt = (text: string, { next, offset }: Mistake): string => {
  if (text.trim() === "") return "an empty file"
  if (offset >= text.length) return "the end of the file"
  if (text[offset] === "\n" || text[offset] === "\r") return "the end of the line"
  const word = matchAt(WORD, text, offset)
  if (word !== "" && !next.endsWith("key") && !isLiteral(word)) return HIDDEN
  return showShort(word || String.fromCodePoint(text.codePointAt(offset)!))
}

/** What makes a text no JSON, with its line and column, both counted from 1. For a text that `JSON.parse` refuses. */
export const jsonSyntaxError = (source: string, text: string): ConfigError => {
  const mistake = locateMistake(text)
  const { offset, expected, hint } = mistake
  const before = text.slice(0, offset)
  const line = before.split("\n").length
  const column = offset - before.lastIndexOf("\n")
  return new ConfigError({
    source,
    summary: "invalid JSON",
    issues: [{ path: `line ${line}, column ${column}`, expected, found: foundAt(text, mistake), hint }]
  })
}
