/**
 * The plain text lines that the server sends to one client. Deployed clients match on some of them, and agents may crash on any line that
 * is not an envelope, so there are no others (docs/protocol.md).
 */

/** A line over the rate limit was not relayed. */
export const RATE_LIMITED = "Warning: You are sending messages too quickly. Please slow down.\n"
/** The client completed no line for `client_timeout_secs`. */
export const IDLE = "Warning: You have been disconnected due to inactivity.\n"
/** The server shuts down. */
export const SHUTTING_DOWN = "Warning: Server is shutting down.\n"
/** The last line in the Python profile, for any reason. */
export const SERVER_DISCONNECTED = "Warning: Server disconnected.\n"
/** The room was too large for this sender, and the policy is to disconnect. */
export const BACKPRESSURE = "Warning: You have been disconnected due to backpressure.\n"
/** The client's backlog reached the hard limit, and the policy is to disconnect. */
export const TOO_SLOW = "Warning: You have been disconnected due to reading too slowly.\n"
/** A line was not valid UTF-8. */
export const NOT_UTF8 = "Warning: Message is not valid UTF-8 and was dropped.\n"
/** The server has reached its limit of clients, in all or for this IP address. */
export const SERVER_FULL = "Warning: Server is full. Please try again later.\n"

/** The host program disconnected the client without a notice of its own. */
export const DISCONNECTED = "Warning: You have been disconnected by the server.\n"

/** The longest notice, and the most bytes of notices that wait for a client that does not read. Further notices are dropped. */
export const MAX_BYTES = 65_536

const PREFIX = "Warning: "

/** A notice of the host program: one line, with line breaks replaced by spaces, and with the prefix of all notices. */
export const fromText = (text: string): string => {
  const line = text
    .split(/[\r\n]+/)
    .map((part) => part.trim())
    .join(" ")
    .trim()
  return `${line.startsWith(PREFIX) ? "" : PREFIX}${line}\n`
}

/**
 * Why a text of the host program is not a valid notice; `undefined` if it is.
 *
 * @param maxLineBytes the longest line allowed, in bytes
 */
export const problemOf = (
  text: string,
  maxLineBytes: number
): { readonly reason: "too long" | "not Unicode"; readonly detail: string } | undefined => {
  if (!text.isWellFormed()) {
    return { reason: "not Unicode", detail: "the notice has an unpaired surrogate; expected Unicode text" }
  }
  const bytes = Buffer.byteLength(fromText(text))
  const limit = Math.min(maxLineBytes, MAX_BYTES)
  if (bytes <= limit) return undefined
  return { reason: "too long", detail: `the notice has ${bytes} bytes; expected ${limit} at most (max_line_bytes)` }
}

/**
 * A line was not relayed, because its envelope would have been too long.
 *
 * @param maxLineBytes the longest envelope allowed, in bytes
 */
export const oversized = (maxLineBytes: number): string =>
  `Warning: Message exceeds ${maxLineBytes} bytes and was dropped.\n`

/**
 * The client reads again, after messages for it were dropped.
 *
 * @param count messages dropped because the client's backlog was full
 */
export const messagesDropped = (count: number): string =>
  `Warning: You are reading too slowly and ${count} ${count === 1 ? "message was" : "messages were"} dropped.\n`

/**
 * The client is quarantined.
 *
 * @param millis time left, in milliseconds
 */
export const quarantined = (millis: number): string => {
  const seconds = Math.max(1, Math.ceil(millis / 1000))
  return `Warning: You are quarantined. Please try again in ${seconds} ${seconds === 1 ? "second" : "seconds"}.\n`
}
