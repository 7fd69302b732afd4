/** Renders the lines of the server for `connect`. `escapeText` keeps other clients from forging lines or controlling the terminal. */
import { type Incoming, parseObject } from "../../client/Incoming.ts"
import { escapeJson, escapeText } from "../../internal/escape.ts"

/** `text` for people, `raw` for the lines received, `json` for scripts: one object a line. */
export type Mode = "text" | "raw" | "json"

/** Renders a line, its line feed included. */
export type Renderer = (line: Incoming) => string

export interface Options {
  readonly mode: Mode
  readonly isTerminal: boolean
  readonly hasColors: boolean
  /** Names by address, as `ip:port` or `ip`. */
  readonly names?: ReadonlyMap<string, string>
  /** The time of arrival to show, if any. */
  readonly now?: (() => Date) | undefined
}

export const renderer = ({ hasColors, isTerminal, mode, names = new Map(), now }: Options): Renderer => {
  const nameOf = (address: string) => names.get(address) ?? names.get(ipOf(address))
  switch (mode) {
    case "raw":
      return ({ raw }) => `${isTerminal ? escapeText(raw) : raw}\n`
    case "json":
      return (line) => {
        const name = line.type === "message" ? nameOf(line.address) : undefined
        const time = now === undefined ? {} : { time: now().toISOString() }
        return `${escapeJson(JSON.stringify({ ...time, ...fields(line), ...(name !== undefined && { name }) }))}\n`
      }
    case "text":
      return (line) => {
        const time = now === undefined ? "" : `${clockTime(now())}  `
        if (line.type !== "message") {
          const shown = escapeText(line.raw)
          return `${time}${hasColors && line.type === "notice" ? colored(shown, NOTICE) : shown}\n`
        }
        const sender = escapeText(nameOf(line.address) ?? line.address)
        return `${time}${hasColors ? colored(sender, color(sender)) : sender}  ${escapeText(readable(line.content))}\n`
      }
  }
}

/** What `--json` prints of a line. */
export const fields = (line: Incoming) =>
  line.type === "message"
    ? { kind: "message", remote_addr: line.address, content: line.content }
    : { kind: line.type, text: line.raw }

const ipOf = (address: string): string => /^\[?(.*?)\]?:\d+$/.exec(address)?.[1] ?? address

/** `hh:mm:ss` where the program runs. */
const clockTime = (date: Date): string => date.toTimeString().slice(0, 8)

/** The payload of a message of the SDK, without its version and types. Any other content is returned unchanged. */
const readable = (content: string): string => {
  const message = parseObject(content)
  if (message === undefined || !("_payload" in message) || !("_type" in message || "_version" in message))
    return content
  const payload = message["_payload"]
  if (typeof payload === "string") return payload
  try {
    return JSON.stringify(payload)
  } catch {
    // `JSON.stringify` overflows the stack on values that `JSON.parse` can read.
    return content
  }
}

/** Bold yellow, not used for addresses. */
const NOTICE = "1;33"

/** Colours readable on dark and light backgrounds, without yellow. */
const ADDRESSES = ["32", "34", "35", "36", "31", "92", "94", "95", "96", "91"]

/** The colour of an address, the same in every run. */
const color = (address: string): string => {
  let hash = 0x811c9dc5
  for (let i = 0; i < address.length; i++) hash = Math.imul(hash ^ address.charCodeAt(i), 0x01000193)
  // The low bits of FNV-1a depend only on the low bits of the characters.
  return ADDRESSES[((hash ^ (hash >>> 15)) >>> 0) % ADDRESSES.length]!
}

const colored = (text: string, code: string): string => `\u001b[${code}m${text}\u001b[0m`
