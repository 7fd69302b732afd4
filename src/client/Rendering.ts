/** Renders the lines of the server for `connect`. `escapeText` keeps other clients from forging lines or controlling the terminal. */
import { escapeJson, escapeText } from "../internal/escape.ts"
import * as IncomingLines from "./IncomingLines.ts"

/** `text` for people, `raw` for the bytes received, `json` for scripts: one object a line. */
export type Mode = "text" | "raw" | "json"

/** Renders a line, its line feed included. */
export type Renderer = (line: IncomingLines.Line) => string | Uint8Array

/** @param terminal whether the output is a terminal, and whether it shows colours */
export const renderer = (
  mode: Mode,
  terminal: { readonly isTerminal: boolean; readonly hasColors: boolean }
): Renderer => {
  switch (mode) {
    case "raw":
      return terminal.isTerminal ? (line) => `${escapeText(IncomingLines.text(line))}\n` : exactly
    case "json":
      return (line) => `${escapeJson(JSON.stringify(read(line)))}\n`
    case "text":
      return (line) => `${text(read(line), terminal.hasColors)}\n`
  }
}

const exactly = ({ bytes }: IncomingLines.Line): Uint8Array => {
  const line = Buffer.allocUnsafe(bytes.length + 1)
  bytes.copy(line)
  line[bytes.length] = 10
  return line
}

/** A line of another client, a notice of the server, or the beginning of an overlong line. */
export type Incoming =
  | { readonly kind: "message"; readonly remote_addr: string; readonly content: string }
  | { readonly kind: "notice"; readonly text: string }
  | { readonly kind: "truncated"; readonly text: string }

/** The server wraps every line of other clients into an envelope, so any other line is a notice. */
export const read = (line: IncomingLines.Line): Incoming => {
  const text = IncomingLines.text(line)
  if (line.isCut) return { kind: "truncated", text }
  const envelope = parseObject(text)
  return typeof envelope?.["remote_addr"] === "string" && typeof envelope["content"] === "string"
    ? { kind: "message", remote_addr: envelope["remote_addr"], content: envelope["content"] }
    : { kind: "notice", text }
}

const text = (incoming: Incoming, hasColors: boolean): string => {
  switch (incoming.kind) {
    case "message": {
      const address = escapeText(incoming.remote_addr)
      return `${hasColors ? colored(address, color(address)) : address}  ${escapeText(readable(incoming.content))}`
    }
    case "notice":
      return hasColors ? colored(escapeText(incoming.text), NOTICE) : escapeText(incoming.text)
    case "truncated":
      return escapeText(incoming.text)
  }
}

/** The payload of a message of the SDK, without its version and types. Any other content is returned unchanged. */
export const readable = (content: string): string => {
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

const parseObject = (text: string): Readonly<Record<string, unknown>> | undefined => {
  // A failed parse is expensive, and the first character rules out most text.
  if (!text.startsWith("{")) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined
  } catch {
    return undefined
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
