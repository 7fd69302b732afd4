import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { escapeText } from "../../src/internal/escape.ts"
import { defaults } from "../../src/config/ServerConfig.ts"
import * as LogFormat from "../../src/logging/LogFormat.ts"
import * as LogMessage from "../../src/logging/LogMessage.ts"
import * as LogOutput from "../../src/logging/LogOutput.ts"

const at = new Date(2025, 0, 5, 13, 4, 9, 7).getTime()
const date = (format: string, time = at) => LogFormat.date(format)(time)
const dateIn = (zone: string, format: string, time = at) => {
  const before = process.env["TZ"]
  try {
    process.env["TZ"] = zone
    return date(format, time)
  } finally {
    if (before === undefined) delete process.env["TZ"]
    else process.env["TZ"] = before
  }
}
const text = (format: string) => LogFormat.text({ name: "My.Server", format, dateFormat: "%H:%M:%S" })

describe("date_format", () => {
  it("shows local time in the default format", () => {
    assert.strictEqual(date(defaults.logger.date_format), "2025-01-05 13:04:09.007")
  })

  it("knows strftime's directives", () => {
    assert.strictEqual(date("%y %b %B %a %A %j %p %I %d/%m %%"), "25 Jan January Sun Sunday 005 PM 01 05/01 %")
  })

  it("counts hours from 12 to 11 on the 12-hour clock", () => {
    assert.strictEqual(date("%I%p", new Date(2025, 0, 1, 0).getTime()), "12AM")
    assert.strictEqual(date("%I%p", new Date(2025, 0, 1, 12).getTime()), "12PM")
  })

  it("counts the days of a leap year", () => {
    assert.strictEqual(date("%j", new Date(2024, 11, 31, 23, 59).getTime()), "366")
  })

  it("shows as many digits of the fraction as asked for", () => {
    assert.strictEqual(date("%1f|%2f|%3f|%6f|%9f|%0f|%f"), "0|00|007|007000|007000000||007")
  })

  it("leaves directives it does not know as they are", () => {
    assert.strictEqual(date("%Q %5Y 100%"), "%Q %5Y 100%")
  })

  it("knows the zone, east and west of Greenwich", () => {
    assert.strictEqual(dateIn("America/St_Johns", "%z %:z %Z"), "-0330 -03:30 GMT-3:30")
    assert.strictEqual(dateIn("Asia/Kolkata", "%z %H:%M", Date.UTC(2025, 0, 1)), "+0530 05:30")
    assert.strictEqual(dateIn("UTC", "%z %Z"), "+0000 UTC")
  })

  it("is ISO 8601 with the zone as iso, which every parser reads as the same time", () => {
    const time = Date.UTC(2025, 0, 5, 13, 4, 9, 7)
    assert.strictEqual(dateIn("America/St_Johns", "iso", time), "2025-01-05T09:34:09.007-03:30")
    assert.strictEqual(dateIn("Asia/Kolkata", "iso", time), "2025-01-05T18:34:09.007+05:30")
    assert.strictEqual(Date.parse(dateIn("UTC", "iso", time)), time)
  })

  it("shows each time anew", () => {
    const format = LogFormat.date("%S.%3f")
    assert.deepStrictEqual([format(at), format(at), format(at + 1)], ["09.007", "09.007", "09.008"])
  })
})

describe("log formats", () => {
  it("fill in Python's fields", () => {
    assert.strictEqual(text(defaults.logger.log_format)(at, "INFO", "hello"), "13:04:09 - My.Server - INFO - hello")
  })

  it("pad and cut fields as Python does", () => {
    const line = text("[%(levelname)-8s][%(levelname)8s][%(levelname).2s][%(name)-5.2s]")
    assert.strictEqual(line(at, "INFO", ""), "[INFO    ][    INFO][IN][My   ]")
  })

  it("leave unknown fields, percent signs and whatever the message contains as they are", () => {
    assert.strictEqual(
      text("%(thread)s 100%% %d %(message)s")(at, "INFO", "%(name)s $&"),
      "%(thread)s 100% %d %(name)s $&"
    )
  })

  it("lose the default colours, and only those, where there is no terminal", () => {
    const custom = "\u001b[31m%(message)s\u001b[0m"
    assert.strictEqual(LogFormat.consoleFormat(defaults.logger.console_log_format, false), defaults.logger.log_format)
    assert.include(LogFormat.consoleFormat(defaults.logger.console_log_format, true), "\u001b[92m%(asctime)s\u001b[0m")
    assert.strictEqual(LogFormat.consoleFormat(custom, false), custom)
  })
})

describe("JSON lines", () => {
  const { event, relayed } = LogOutput.jsonOutput({ name: 'a "b"', date_format: "%H:%M" })
  const ofMessage = (content: string) => relayed(at, "1.2.3.4:5", LogMessage.readContent(content, null))
  const UNSAFE = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u

  it("have a timestamp, the name, the level and the message", () => {
    const line = event(at, "ERROR", "two\nlines")
    assert.strictEqual(line, '{"timestamp":"13:04","name":"a \\"b\\"","level":"ERROR","message":"two\\nlines"}')
  })

  it.prop(
    "say exactly the message, in characters that are safe on a terminal",
    { message: Schema.String },
    ({ message }) => {
      const line = event(at, "INFO", message)
      assert.strictEqual(JSON.parse(line).message, message)
      assert.notMatch(line, UNSAFE)
      const { content } = JSON.parse(ofMessage(message)).message
      assert.deepStrictEqual(content, LogMessage.readContent(message, null).isJson ? JSON.parse(message) : message)
      assert.notMatch(ofMessage(message), UNSAFE)
    }
  )

  it("escape what only a terminal or an editor would obey", () => {
    const message = "\u009b31m \u202e \u2028 \u007f"
    const line = event(at, "INFO", message)
    assert.strictEqual(JSON.parse(line).message, message)
    assert.include(line, "\\u009b31m \\u202e \\u2028 \\u007f")
    assert.include(ofMessage(`{"a":"${message}"}`), '{"a":"\\u009b31m \\u202e \\u2028 \\u007f"}')
    assert.include(ofMessage(message), '"\\u009b31m \\u202e \\u2028 \\u007f"')
  })

  it("escape the name of the server, the time and the sender, too", () => {
    const output = LogOutput.jsonOutput({ name: "\u202ea", date_format: "\u202e%H" })
    const line = output.relayed(at, "\u202eadmin", LogMessage.readContent("plain", null))
    assert.notMatch(line, UNSAFE)
    assert.deepInclude(JSON.parse(line), { timestamp: "\u202e13", name: "\u202ea" })
    assert.deepStrictEqual(JSON.parse(line).message, { remote_addr: "\u202eadmin", content: "plain" })
    const text = LogOutput.textOutput({ name: "a", date_format: "", enable_json_log: false }, "%(message)s")
    assert.strictEqual(
      text.relayed(at, "\u202eadmin", LogMessage.readContent("plain", null)),
      "From \\u202eadmin: plain"
    )
    assert.strictEqual(text.relayed(at, "a", LogMessage.readContent("\u202e", null)), "From a: \\u202e")
  })
})

describe("escapeText", () => {
  it("makes everything visible that could forge, hide or colour a line", () => {
    assert.strictEqual(
      escapeText("a\nb\r\tc\u001b[31m\u0000\u007f\u009b\u0085\u2028\u2029\u202e\u2066\u200f\u061c"),
      "a\\nb\\r\\tc\\x1b[31m\\x00\\x7f\\x9b\\x85\\u2028\\u2029\\u202e\\u2066\\u200f\\u061c"
    )
  })

  it("leaves every other script and symbol alone", () => {
    const message = 'naïve 日本語 😀 שלום {"a":"b\\n"}'
    assert.strictEqual(escapeText(message), message)
  })
})
