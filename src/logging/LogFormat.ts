/** Formats of log lines: Python's `%(field)s`, `strftime` dates in local time, and JSON. Compiled once, because every relayed message is a line. */
import { defaultFormats, type Level } from "../config/CurrentConfig.ts"
import { escapeJson, escapeText } from "../internal/escape.ts"

/** `console_log_format`, or the default without its colours where standard output is not a terminal. */
export const consoleFormat = (format: string, terminal: boolean): string =>
  terminal || format !== defaultFormats.console_log_format ? format : defaultFormats.log_format

/** Formats a line. The message must be escaped already; the time is in milliseconds since 1970. */
export type LineFormat = (timeMillis: number, level: Level, message: string) => string

/**
 * Compiles a Python log format: `%(asctime)s`, `%(name)s`, `%(levelname)s` and `%(message)s`, each with an optional
 * `-`, width and precision (`%(levelname)-8s`), and `%%`. A field it does not know is output as it stands.
 */
export const text = (options: Readonly<Record<"name" | "format" | "dateFormat", string>>): LineFormat => {
  const fields = new Map<string | undefined, LineFormat>([
    [undefined, literal("%")],
    ["asctime", date(options.dateFormat)],
    ["name", literal(escapeText(options.name))],
    ["levelname", (_, level) => level],
    ["message", (_, _level, message) => message]
  ])
  const parts: Array<LineFormat> = []
  let end = 0
  for (const match of options.format.matchAll(/%%|%\((\w+)\)([-#0 +]*)(\d*)(?:\.(\d+))?s/g)) {
    const value = fields.get(match[1])
    if (value === undefined) continue
    parts.push(literal(options.format.slice(end, match.index)))
    parts.push(padded(value, match[2]?.includes("-") === true, Number(match[3] ?? 0), match[4]))
    end = match.index + match[0].length
  }
  parts.push(literal(options.format.slice(end)))
  return (timeMillis, level, message) => {
    let line = ""
    for (const part of parts) line += part(timeMillis, level, message)
    return line
  }
}

const literal =
  (value: string): LineFormat =>
  () =>
    value

const padded = (value: LineFormat, left: boolean, width: number, precision: string | undefined): LineFormat => {
  if (width === 0 && precision === undefined) return value
  const longest = precision === undefined ? Infinity : Number(precision)
  return (timeMillis, level, message) => {
    const shown = value(timeMillis, level, message).slice(0, longest)
    return left ? shown.padEnd(width) : shown.padStart(width)
  }
}

/** Makes JSON lines `{"timestamp","name","level","message"}`. Here the message is JSON text: a string or an object. */
export const json = (options: { readonly name: string; readonly dateFormat: string }): LineFormat => {
  const timestamp = date(options.dateFormat)
  const name = escapeJson(JSON.stringify(options.name))
  return (timeMillis, level, message) =>
    `{"timestamp":${escapeJson(JSON.stringify(timestamp(timeMillis)))},"name":${name},"level":"${level}","message":${message}}`
}

/**
 * Compiles a `strftime` format: %Y %y %m %d %H %I %M %S %p %b %B %a %A %j %Z %z %:z %%, in English and in local time;
 * `%<n>f` is n digits of the second's fraction and `%f` three, as in the original. Time is known to the millisecond,
 * so digits beyond the third are zeros. A directive it does not know is output as it stands. `iso` stands for
 * `2025-01-05T13:04:09.007+01:00`.
 *
 * @returns a function of the time in milliseconds since 1970
 */
export const date = (dateFormat: string): ((timeMillis: number) => string) => {
  const format = dateFormat === "iso" ? "%Y-%m-%dT%H:%M:%S.%3f%:z" : dateFormat
  const render = (at: Date): string =>
    format.replace(/%(?:(\d*)f|(:z|[a-zA-Z%]))/g, (directive, digits: string | undefined, letter: string | undefined) =>
      letter === undefined ? fraction(at, digits) : (directives[letter]?.(at) ?? directive)
    )
  // A busy relay logs many lines within one millisecond.
  let lastMillis = NaN
  let last = ""
  return (timeMillis) => {
    if (timeMillis !== lastMillis) {
      last = render(new Date(timeMillis))
      lastMillis = timeMillis
    }
    return last
  }
}

/** What a `date_format` has after `%` that is not one of the directives of `date`. */
export const unknownDirectives = (format: string): ReadonlyArray<string> =>
  Array.from(format.matchAll(/%(?:(\d*f)|[-_^#:+\d]*[a-zA-Z%]?)/g), ([text, fraction]) =>
    fraction === undefined && directives[text.slice(1)] === undefined ? text : ""
  ).filter((text) => text !== "")

const fraction = (at: Date, digits: string | undefined): string => {
  const count = digits === undefined || digits === "" ? 3 : Math.min(Number(digits), 9)
  return twoOrMore(at.getMilliseconds(), 3).padEnd(9, "0").slice(0, count)
}

const twoOrMore = (value: number, width = 2): string => String(value).padStart(width, "0")

const months = "January February March April May June July August September October November December".split(" ")
const days = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ")

const directives: Record<string, ((at: Date) => string) | undefined> = {
  "%": () => "%",
  Y: (at) => String(at.getFullYear()),
  y: (at) => twoOrMore(at.getFullYear() % 100),
  m: (at) => twoOrMore(at.getMonth() + 1),
  d: (at) => twoOrMore(at.getDate()),
  H: (at) => twoOrMore(at.getHours()),
  I: (at) => twoOrMore(at.getHours() % 12 || 12),
  M: (at) => twoOrMore(at.getMinutes()),
  S: (at) => twoOrMore(at.getSeconds()),
  p: (at) => (at.getHours() < 12 ? "AM" : "PM"),
  B: (at) => months[at.getMonth()]!,
  b: (at) => months[at.getMonth()]!.slice(0, 3),
  A: (at) => days[at.getDay()]!,
  a: (at) => days[at.getDay()]!.slice(0, 3),
  j: (at) => twoOrMore(dayOfYear(at), 3),
  z: (at) => offset(at, ""),
  ":z": (at) => offset(at, ":"),
  Z: (at) => zone(at)
}

// In UTC, because a local year has days of 23 and 25 hours.
const dayOfYear = (at: Date): number =>
  (Date.UTC(at.getFullYear(), at.getMonth(), at.getDate()) - Date.UTC(at.getFullYear(), 0, 0)) / 86_400_000

const offset = (at: Date, separator: string): string => {
  const minutes = Math.abs(at.getTimezoneOffset())
  return `${at.getTimezoneOffset() > 0 ? "-" : "+"}${twoOrMore(Math.floor(minutes / 60))}${separator}${twoOrMore(minutes % 60)}`
}

const zone = (at: Date): string =>
  new Intl.DateTimeFormat("en-US", { timeZoneName: "short" })
    .formatToParts(at)
    .find((part) => part.type === "timeZoneName")!.value
