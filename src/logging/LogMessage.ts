/**
 * The text of a log line: a relayed message, reduced to what `log_keys` allows, or what was given to `Effect.log*`. Nothing here throws: a
 * logger that throws ends the fiber that logs.
 */
import type * as Cause from "effect/Cause"
import * as Formatter from "effect/Formatter"
import { escapeJson, escapeText } from "../internal/escape.ts"
import { isJsonObject } from "../internal/JsonObject.ts"
import { isField } from "./Fields.ts"
import { MAX_DEPTH, type Scan, scanContent } from "./scanContent.ts"

/** The content of a relayed message as it may be logged. */
export interface LoggedContent extends Scan {
  /** The content, or what `log_keys` leaves of it. */
  readonly text: string
}

/**
 * Applies `log_keys` (docs/configuration.md): keeps, of a JSON object and of those in a JSON array, `_version` and the listed keys of the
 * objects `_payload` and `_type`. Other content is kept whole, also an object within a JSON string, as in the original.
 *
 * @param content the line as the client sent it
 * @param keys `log_keys`; `null` leaves every content whole
 * @param wantsJson whether it matters if it is JSON
 */
export const readContent = (content: string, keys: ReadonlySet<string> | null, wantsJson = true): LoggedContent => {
  const scan = keys === null ? scanContent(content, wantsJson) : undefined
  if (scan !== undefined) return { text: content, isJson: scan.isJson, isPlain: scan.isPlain }
  const parsed = keys !== null || wantsJson ? parse(content) : undefined
  if (parsed === undefined) return { text: content, isJson: false, isPlain: false }
  const isDeep = countOf("{", content) + countOf("[", content) > MAX_DEPTH && depthOf(content) > MAX_DEPTH
  // As the client wrote it: JavaScript would change long numbers.
  if (keys === null || typeof parsed !== "object") return { text: content, isJson: !isDeep, isPlain: false }
  if (isDeep) return { text: "[content nested too deeply to be logged]", isJson: false, isPlain: true }
  return { text: JSON.stringify(prune(parsed, keys)), isJson: true, isPlain: false }
}

/** Parsing is dear, and rules out most content by its first character. */
const MAYBE_JSON = /^[ \t\r\n]*(?:[[{"]|(?:-?\d[\d.eE+-]*|true|false|null)[ \t\r\n]*$)/

/** The value of JSON; `undefined` for other texts. */
const parse = (content: string): unknown => {
  if (!MAYBE_JSON.test(content)) return undefined
  try {
    return JSON.parse(content)
  } catch {
    return undefined
  }
}

/** How often a character is in a text, as far as `MAX_DEPTH`. A native search: `depthOf` takes half as long as parsing. */
const countOf = (character: string, text: string): number => {
  let count = 0
  for (let at = text.indexOf(character); at !== -1 && count <= MAX_DEPTH; at = text.indexOf(character, at + 1)) count++
  return count
}

/** How many arrays and objects of a JSON text are in each other at most. */
const depthOf = (json: string): number => {
  let depth = 0
  let deepest = 0
  let isInString = false
  for (let i = 0; i < json.length; i++) {
    const character = json.charCodeAt(i)
    if (isInString) {
      if (character === BACKSLASH) i++
      else if (character === QUOTE) isInString = false
    } else if (character === QUOTE) isInString = true
    else if (character === BRACKET || character === BRACE) deepest = Math.max(deepest, ++depth)
    else if (character === CLOSING_BRACKET || character === CLOSING_BRACE) depth--
  }
  return deepest
}

const [QUOTE, BACKSLASH, BRACKET, CLOSING_BRACKET, BRACE, CLOSING_BRACE] = [0x22, 0x5c, 0x5b, 0x5d, 0x7b, 0x7d]

const prune = (content: unknown, keys: ReadonlySet<string>): unknown => {
  if (Array.isArray(content)) return content.map((item) => prune(item, keys))
  if (!isJsonObject(content)) return content
  const kept: Record<string, unknown> = {}
  if ("_version" in content) kept["_version"] = content["_version"]
  for (const group of ["_payload", "_type"]) {
    const values = content[group]
    if (isJsonObject(values)) kept[group] = Object.fromEntries(Object.entries(values).filter(([key]) => keys.has(key)))
  }
  return kept
}

/** A relayed message as text. Only its content may have to be escaped. */
export const relayedText = (address: string, content: LoggedContent): string =>
  `From ${escapeText(address)}: ${content.text}`

/** A relayed message as JSON text: its envelope, with JSON content as it is. Only its content may have to be escaped. */
export const relayedJson = (address: string, content: LoggedContent): string =>
  `{"remote_addr":${escapeJson(JSON.stringify(address))},"content":${
    // Between the tokens of valid JSON a control character is white space.
    content.isJson
      ? content.isPlain
        ? content.text
        : content.text.replace(/[\t\r\n]/g, " ")
      : JSON.stringify(content.text)
  }}`

/**
 * One line of text for what was given to `Effect.log*`: the messages, then the cause, then spans and annotations.
 *
 * @param entry.stacks which stack traces to include; an error is otherwise its name and message
 */
export const eventText = (entry: {
  readonly message: unknown
  readonly cause: Cause.Cause<unknown>
  readonly stacks: "none" | "defects" | "all"
  readonly timeMillis: number
  readonly spans: ReadonlyArray<readonly [label: string, startMillis: number]>
  readonly annotations: Readonly<Record<string, unknown>>
}): string => {
  const parts = (Array.isArray(entry.message) ? entry.message : [entry.message]).map(show)
  for (const reason of entry.cause.reasons) parts.push(showReason(reason, entry.stacks))
  for (const [label, startMillis] of entry.spans) parts.push(`${label}=${entry.timeMillis - startMillis}ms`)
  for (const [key, value] of Object.entries(entry.annotations)) {
    if (!isField(key)) parts.push(`${key}=${show(value)}`)
  }
  return parts.join(" ")
}

const show = (value: unknown): string => {
  try {
    if (typeof value === "string") return value
    if (value instanceof Error) return showError(value)
    return typeof value === "object" && value !== null ? Formatter.formatJson(value) : String(value)
  } catch {
    return "[value that cannot be shown]"
  }
}

const showError = (error: Error): string =>
  // A tagged error without a message of its own says everything in its fields.
  error.message === "" ? `${error.name} ${Formatter.formatJson({ ...error })}` : `${error.name}: ${error.message}`

const showReason = (reason: Cause.Reason<unknown>, stacks: "none" | "defects" | "all"): string => {
  if (reason._tag === "Interrupt") return "(interrupted)"
  const error = reason._tag === "Fail" ? reason.error : reason.defect
  const withStack = stacks === "all" || (stacks === "defects" && reason._tag === "Die")
  return `(${show(error)}${withStack ? showStack(error) : ""})`
}

const showStack = (error: unknown): string => {
  try {
    if (!(error instanceof Error) || typeof error.stack !== "string") return ""
    const frames = error.stack.split("\n").filter((line) => line.startsWith("    at "))
    return frames.map((frame) => ` ${frame.trim()}`).join("")
  } catch {
    return ""
  }
}
