import { type Incident, NOT_UTF8, OVERSIZED, RATE_LIMITED } from "./Incidents.ts"

/** Why a line was not relayed. */
export type LineRejection = "rate limited" | "oversized" | "not UTF-8"

/** What each is to an operator. */
export const INCIDENTS: { readonly [rejection in LineRejection]: Incident } = {
  "rate limited": RATE_LIMITED,
  oversized: OVERSIZED,
  "not UTF-8": NOT_UTF8
}

/** A client's lines that were not relayed, and that nobody has been told of yet. */
export class RejectedLines {
  readonly #counts: { [rejection in LineRejection]: number } = { "rate limited": 0, oversized: 0, "not UTF-8": 0 }
  #untold = 0

  get isEmpty(): boolean {
    return this.#untold === 0
  }

  count(rejection: LineRejection): void {
    this.#counts[rejection]++
    this.#untold++
  }

  /** Tells how many there are of each kind, and begins anew. */
  flush(tell: (rejection: LineRejection, lines: number) => void): void {
    this.#untold = 0
    for (const rejection of Object.keys(this.#counts) as ReadonlyArray<LineRejection>) {
      const lines = this.#counts[rejection]
      if (lines === 0) continue
      this.#counts[rejection] = 0
      tell(rejection, lines)
    }
  }
}
