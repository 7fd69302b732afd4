import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { MessageLog, RelayLogger } from "../../../src/logging/RelayLogger.ts"
import * as assert from "node:assert/strict"
import type { Target } from "../Target.ts"

const UNSAFE = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u

const KEYS = ["from", "to", "__proto__", "constructor", ""]

interface Log {
  readonly isJson: boolean
  readonly keys: ReadonlyArray<string> | null
  readonly lines: Array<string>
  readonly messages: MessageLog
  readonly event: (text: string) => void
}

const logs: ReadonlyArray<Log> = [false, true].flatMap((isJson) =>
  [null, [], KEYS].map((keys) => {
    const lines: Array<string> = []
    const options = { enable_json_log: isJson, log_keys: keys, log_format: "%(levelname)s %(message)s" }
    const context = Effect.runSync(Effect.scoped(Layer.build(RelayLogger.layerTest(lines, options))))
    return {
      isJson,
      keys,
      lines,
      messages: Context.get(context, MessageLog),
      event: (text: string) => Effect.runSync(Effect.provideContext(Effect.logWarning(text), context))
    }
  })
)

/** Deeper JSON is logged as text. */
const MAX_DEPTH = 100

const isDeeper = (value: unknown, levels: number): boolean =>
  typeof value === "object" &&
  value !== null &&
  (levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1)))

/** What `log_keys` leaves, by the letter of the documentation. */
const allowed = (content: unknown, keys: ReadonlyArray<string>): unknown => {
  if (Array.isArray(content)) return content.map((item) => allowed(item, keys))
  if (typeof content !== "object" || content === null) return content
  return Object.fromEntries(
    ["_version", "_payload", "_type"].flatMap((name) => {
      if (!Object.hasOwn(content, name)) return []
      const value: unknown = content[name as keyof typeof content]
      if (name === "_version") return [[name, value]]
      if (typeof value !== "object" || value === null || Array.isArray(value)) return []
      return [[name, Object.fromEntries(Object.entries(value).filter(([key]) => keys.includes(key)))]]
    })
  )
}

/** What a line of JSON has as the content of a message. */
const expectedOf = (content: string, keys: ReadonlyArray<string> | null): unknown => {
  let value: unknown
  try {
    value = JSON.parse(content)
  } catch {
    return content
  }
  if (keys === null) return isDeeper(value, MAX_DEPTH) ? content : value
  return isDeeper(value, MAX_DEPTH) ? "[content nested too deeply to be logged]" : allowed(value, keys)
}

/** The input: which log, and the content of a message. */
export const logging: Target = {
  name: "logging",
  dictionary: [
    '{"_payload":{"',
    '"_type":{',
    '"_version":',
    '"from":',
    '"to":',
    '"__proto__":',
    "[[[[",
    "{}",
    "null",
    "1e400",
    "\r\n",
    "\t",
    "\u001b[31m",
    "\u009b",
    "\u0085",
    "\u2028",
    "\u2029",
    "\u202e",
    "\u2066",
    "\\u001b",
    "\\ud800"
  ],
  run: (input) => {
    const log = logs[(input[0] ?? 0) % logs.length]!
    const content = input.toString("utf8", 1).replaceAll("\n", "")
    log.lines.length = 0
    log.messages.relayed("10.0.0.1:1", content)
    log.event(content)
    assert.equal(log.lines.length, 2)
    for (const line of log.lines) assert.doesNotMatch(line, UNSAFE)
    const [relayed, event] = log.lines as [string, string]
    if (!log.isJson) {
      assert.ok(relayed.startsWith("INFO From 10.0.0.1:1: "))
      assert.ok(event.startsWith("WARNING "))
      return
    }
    const line = JSON.parse(relayed)
    assert.deepEqual(Object.keys(line), ["timestamp", "name", "level", "message"])
    assert.deepEqual(Object.keys(line.message), ["remote_addr", "content"])
    assert.equal(line.message.remote_addr, "10.0.0.1:1")
    const expected = expectedOf(content, log.keys)
    assert.equal(JSON.stringify(line.message.content), JSON.stringify(expected))
    assert.equal(JSON.parse(event).message, content)
  }
}
