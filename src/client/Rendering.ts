/**
 * What the lines of the server look like to the person or the script behind `connect`. Pure code.
 *
 * What other clients sent can neither forge a line nor colour or control a terminal: see `escapeText`.
 */
import { escapeJson, escapeText } from "../internal/escape.ts"
import * as IncomingLines from "./IncomingLines.ts"

/** `text` for people, `raw` the bytes received, `json` an object a line for scripts. */
export type Mode = "text" | "raw" | "json"

/** Makes a line of output, its line feed included. */
export type Renderer = (line: IncomingLines.Line) => string | Uint8Array

/** @param terminal whether the output is a terminal, and whether that shows colours */
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

/**
 * What a line is: an envelope with what another client sent, the server's own words to us, or the beginning of a line that
 * is too long to hold.
 */
export type Incoming =
  | { readonly kind: "message"; readonly remote_addr: string; readonly content: string }
  | { readonly kind: "notice"; readonly text: string }
  | { readonly kind: "truncated"; readonly text: string }

/** The server puts all that others send into envelopes: so a line that is none is its own, whatever it says. */
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

/** What an agent built on the SDK means: the payload without its version and types. Anything else is left as it is. */
export const readable = (content: string): string => {
  const message = parseObject(content)
  if (message === undefined || !("_payload" in message) || !("_type" in message || "_version" in message))
    return content
  const payload = message["_payload"]
  if (typeof payload === "string") return payload
  try {
    return JSON.stringify(payload)
  } catch {
    // Nested too deeply to be written, though not to be read.
    return content
  }
}

const parseObject = (text: string): Readonly<Record<string, unknown>> | undefined => {
  // Failing to parse is dear, and most text that is no object shows it in its first character.
  if (!text.startsWith("{")) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined
  } catch {
    return undefined
  }
}

/** Bold yellow, which no address has. */
const NOTICE = "1;33"

/** Colours that can be read on a dark and on a light background, without yellow. */
const ADDRESSES = ["32", "34", "35", "36", "31", "92", "94", "95", "96", "91"]

/** The colour of an address: always the same one, in this run and in every other. */
const color = (address: string): string => {
  let hash = 0x811c9dc5
  for (let i = 0; i < address.length; i++) hash = Math.imul(hash ^ address.charCodeAt(i), 0x01000193)
  // The last bits of FNV-1a know only the last characters' last bits.
  return ADDRESSES[((hash ^ (hash >>> 15)) >>> 0) % ADDRESSES.length]!
}

const colored = (text: string, code: string): string => `\u001b[${code}m${text}\u001b[0m`
