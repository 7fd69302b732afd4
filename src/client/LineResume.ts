const LINE_FEED = 10
const NOTHING = new Uint8Array()

/**
 * Keeps apart what was typed or piped for different connections: when one is lost in the middle of a line, the rest of that
 * line must not arrive on the next one as a line of its own. Lines may be of any length, because none is held.
 */
export class LineResume {
  #state: "between" | "inside" | "skipping" = "between"

  /** What was sent last is the beginning of a line. */
  get isInside(): boolean {
    return this.#state === "inside"
  }

  /** Another connection begins; says whether there is a rest of a line that will be left out. */
  restart(): boolean {
    if (this.#state === "inside") this.#state = "skipping"
    return this.#state === "skipping"
  }

  /** What of the next bytes is to be sent. There must be at least one. */
  next(bytes: Uint8Array): Uint8Array {
    const start = this.#state === "skipping" ? bytes.indexOf(LINE_FEED) + 1 : 0
    if (this.#state === "skipping" && start === 0) return NOTHING
    this.#state = bytes.at(-1) === LINE_FEED ? "between" : "inside"
    return bytes.subarray(start)
  }
}
