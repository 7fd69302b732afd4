/** Why a line was not relayed. */
export type Offence = "rate limited" | "oversized" | "not UTF-8"

/** A client's lines that were not relayed, and that nobody has been told of yet. */
export class Offences {
  readonly #counts: { [offence in Offence]: number } = { "rate limited": 0, oversized: 0, "not UTF-8": 0 }
  #untold = 0

  get isEmpty(): boolean {
    return this.#untold === 0
  }

  count(offence: Offence): void {
    this.#counts[offence]++
    this.#untold++
  }

  /** Tells how many there are of each kind, and begins anew. */
  settle(tell: (offence: Offence, lines: number) => void): void {
    this.#untold = 0
    for (const offence of Object.keys(this.#counts) as ReadonlyArray<Offence>) {
      const lines = this.#counts[offence]
      if (lines === 0) continue
      this.#counts[offence] = 0
      tell(offence, lines)
    }
  }
}
