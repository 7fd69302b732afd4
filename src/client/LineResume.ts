const LINE_FEED = 10
const NOTHING = new Uint8Array()

/**
 * Keeps lines whole across connections: when one is lost within a line, the rest of that line must not be sent on the next connection as
 * a line of its own. Holds no bytes, so lines may be of any length.
 */
export class LineResume {
  #state: "between" | "inside" | "skipping" = "between"

  /** Whether the last bytes sent ended within a line. */
  get isInside(): boolean {
    return this.#state === "inside"
  }

  /** Begins another connection. Returns whether the rest of a line will be skipped. */
  restart(): boolean {
    if (this.#state === "inside") this.#state = "skipping"
    return this.#state === "skipping"
  }

  /** The part of the next bytes to send. `bytes` must not be empty. */
  next(bytes: Uint8Array): Uint8Array {
    const start = this.#state === "skipping" ? bytes.indexOf(LINE_FEED) + 1 : 0
    if (this.#state === "skipping" && start === 0) return NOTHING
    this.#state = bytes.at(-1) === LINE_FEED ? "between" : "inside"
    return bytes.subarray(start)
  }
}
