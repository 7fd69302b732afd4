/** What an incident happens to. Each has a counter of its own (docs/operating.md#metrics). */
export type Affected =
  /** A connection was not let in. */
  | "connection"
  /** A line was not relayed. */
  | "line"
  /** A sender was held back because of a large fan-out. */
  | "sender"
  /** A client did not catch up within the stall grace. */
  | "reader"
  /** A client did not get a line because it read too slowly. */
  | "delivery"
  /** A client did not get a notice because it does not read. */
  | "notice"

/** A kind of event that clients cause and an operator should know of, but not a million times. */
export interface Incident {
  /** Its name in metrics: `rate_limited`. */
  readonly code: string
  /** Its name in the log, and its key in `Stats.incidents`. */
  readonly text: string
  readonly affects: Affected
}

const defined: Array<Incident> = []

/** All kinds, in the order in which the modules that cause them define them. */
export const all: ReadonlyArray<Incident> = defined

/** Defines a kind: from then on it is counted, logged and exported. For constants of modules. */
export const define = (affects: Affected, code: string, text: string): Incident => {
  const incident = { code, text, affects }
  defined.push(incident)
  return incident
}

export const RATE_LIMITED = define("line", "rate_limited", "rate limited")
export const OVERSIZED = define("line", "oversized", "oversized")
export const NOT_UTF8 = define("line", "not_utf8", "not UTF-8")
export const THROTTLED = define("sender", "throttled", "throttled")
export const PAUSED = define("sender", "paused", "paused")
export const SLOW = define("reader", "slow", "slow")
export const MESSAGES_DROPPED = define("delivery", "messages_dropped", "messages dropped")
export const NOTICES_DROPPED = define("notice", "notices_dropped", "notices dropped")
export const QUARANTINED = define("connection", "quarantined", "quarantined")
export const SERVER_FULL = define("connection", "server_full", "server full")
export const DRAINING = define("connection", "draining", "draining")

/** How often each has happened since the start of the server, by its text. */
export type Totals = { [text: string]: number }

export const noTotals = (): Totals => Object.fromEntries(all.map(({ text }) => [text, 0]))
