/** A line of another client. */
export interface Message {
  readonly type: "message"
  /** The sender as `ip:port`, or the name that the program around the server has given. */
  readonly address: string
  /** What was said, exactly. */
  readonly content: string
  /** The line as received, without its line feed. */
  readonly raw: string
}

/** A line of the server to this client alone, such as `Warning: Server is shutting down.` */
export interface Notice {
  readonly type: "notice"
  readonly raw: string
}

/** The beginning of a line longer than `MAX_LINE_BYTES`. */
export interface Truncated {
  readonly type: "truncated"
  readonly raw: string
}

/** A line from the server. */
export type Incoming = Message | Notice | Truncated

/** The longest line that is received whole, in bytes, far above the limit of a relay. */
export const MAX_LINE_BYTES = 1_048_576

/** Classifies a line. The server wraps every line of other clients into an envelope, so any other line is a notice. */
export const parse = (raw: string, isCut: boolean): Incoming => {
  if (isCut) return { type: "truncated", raw }
  const envelope = parseObject(raw)
  return typeof envelope?.["remote_addr"] === "string" && typeof envelope["content"] === "string"
    ? { type: "message", address: envelope["remote_addr"], content: envelope["content"], raw }
    : { type: "notice", raw }
}

/** The JSON object that the text is; `undefined` for other texts. */
export const parseObject = (text: string): Readonly<Record<string, unknown>> | undefined => {
  // A failed parse is expensive, and the first character rules out most text.
  if (!text.startsWith("{")) return undefined
  try {
    return JSON.parse(text) as Readonly<Record<string, unknown>>
  } catch {
    return undefined
  }
}
