import type { Incident, Totals } from "./Incidents.ts"

/** After a line about an incident, the next one about the same waits this long and sums up what happened meanwhile. */
const SUMMARY_MILLIS = 10_000

interface Tally {
  count: number
  reportedMillis: number
}

/**
 * Turns the incidents of one client, or of all refused connections, into few log lines: the first of a kind is reported at once. What
 * follows is counted and reported with the next line, every ten seconds at most, and at the latest when the client goes.
 */
export class IncidentLog {
  #tallies: Map<Incident, Tally> | undefined
  #unreported = 0
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
    this.#unreported += times
    if (this.#totals !== undefined) this.#totals[incident.text] = (this.#totals[incident.text] ?? 0) + times
  }

  /**
   * What is to be logged now.
   *
   * @param nowMillis the time, in milliseconds of the monotonic clock; `Infinity` reports everything
   * @param onReported gets the parts of each line as well
   */
  report(nowMillis: number, onReported?: (incident: Incident, times: number) => void): ReadonlyArray<string> {
    if (this.#unreported === 0) return []
    const lines: Array<string> = []
    for (const [incident, tally] of this.#tallies!) {
      if (tally.count === 0 || nowMillis - tally.reportedMillis < SUMMARY_MILLIS) continue
      lines.push(tally.count === 1 ? incident.text : `${incident.text} ${tally.count} times`)
      onReported?.(incident, tally.count)
      this.#unreported -= tally.count
      tally.count = 0
      tally.reportedMillis = nowMillis
    }
    return lines
  }
}
