import { type Incident, NOT_UTF8, OVERSIZED, RATE_LIMITED } from "./Incidents.ts"

export type LineRejection = "rate limited" | "oversized" | "not UTF-8"

export const INCIDENTS: { readonly [rejection in LineRejection]: Incident } = {
  "rate limited": RATE_LIMITED,
  oversized: OVERSIZED,
  "not UTF-8": NOT_UTF8
}

/** A client's lines that were not relayed, and not yet reported. */
export class RejectedLines {
  readonly #counts: { [rejection in LineRejection]: number } = { "rate limited": 0, oversized: 0, "not UTF-8": 0 }
  #unreported = 0

  get isEmpty(): boolean {
    return this.#unreported === 0
  }

  count(rejection: LineRejection): void {
    this.#counts[rejection]++
    this.#unreported++
  }

  /** Reports how many there are of each kind, and starts over. */
  flush(report: (rejection: LineRejection, lines: number) => void): void {
    this.#unreported = 0
    for (const rejection of Object.keys(this.#counts) as ReadonlyArray<LineRejection>) {
      const lines = this.#counts[rejection]
      if (lines === 0) continue
      this.#counts[rejection] = 0
      report(rejection, lines)
    }
  }
}
