/** Something that clients do and an operator should know of, but not a million times. */
export type Incident =
  | "rate limited"
  | "throttled"
  | "paused"
  | "oversized"
  | "not UTF-8"
  | "slow"
  | "messages dropped"
  | "notices dropped"
  | "quarantined"
  | "server full"
  | "dropped, too many at once"
  | "draining"
  | "not a WebSocket handshake"
  | "origin not allowed"
  | "not allowed"
  | "no PROXY header"
  | "TLS on the plain-text port"
  | "plain text on the TLS port"
  | "TLS handshake failed"
  | "arrival timed out"
  | "displaced while arriving"

/** After a line about an incident, the next one about the same waits this long and sums up what happened meanwhile. */
const SUMMARY_MILLIS = 10_000

/** How often each has happened since the start of the server. */
export type Totals = { [incident in Incident]: number }

export const noTotals = (): Totals => ({
  "rate limited": 0,
  throttled: 0,
  paused: 0,
  oversized: 0,
  "not UTF-8": 0,
  slow: 0,
  "messages dropped": 0,
  "notices dropped": 0,
  quarantined: 0,
  "server full": 0,
  "dropped, too many at once": 0,
  draining: 0,
  "not a WebSocket handshake": 0,
  "origin not allowed": 0,
  "not allowed": 0,
  "no PROXY header": 0,
  "TLS on the plain-text port": 0,
  "plain text on the TLS port": 0,
  "TLS handshake failed": 0,
  "arrival timed out": 0,
  "displaced while arriving": 0
})

interface Tally {
  count: number
  reportedMillis: number
}

/**
 * Turns the incidents of one client, or of one door, into few log lines: the first of a kind is told at once, what follows is counted and
 * told with the next line, at most every ten seconds, and at the latest when the client goes.
 */
export class IncidentLog {
  #tallies: Map<Incident, Tally> | undefined
  #untold = 0
  readonly #totals: Totals | undefined

  /** @param totals where to count as well */
  constructor(totals?: Totals) {
    this.#totals = totals
  }

  count(incident: Incident, times = 1): void {
    this.#tallies ??= new Map()
    const tally = this.#tallies.get(incident)
    if (tally === undefined) this.#tallies.set(incident, { count: times, reportedMillis: -Infinity })
    else tally.count += times
    this.#untold += times
    if (this.#totals !== undefined) this.#totals[incident] += times
  }

  /**
   * What is to be logged now.
   *
   * @param nowMillis the time, in milliseconds of the monotonic clock; `Infinity` to be told everything
   * @param onTold told of each line as well, in parts
   */
  report(nowMillis: number, onTold?: (incident: Incident, times: number) => void): ReadonlyArray<string> {
    if (this.#untold === 0) return []
    const lines: Array<string> = []
    for (const [incident, tally] of this.#tallies!) {
      if (tally.count === 0 || nowMillis - tally.reportedMillis < SUMMARY_MILLIS) continue
      lines.push(tally.count === 1 ? incident : `${incident} ${tally.count} times`)
      onTold?.(incident, tally.count)
      this.#untold -= tally.count
      tally.count = 0
      tally.reportedMillis = nowMillis
    }
    return lines
  }
}
