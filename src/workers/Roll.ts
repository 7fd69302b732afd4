/** Which workers there are, as the primary says it from time to time. */
export class Roll {
  /** `undefined`: not said yet. */
  ids: ReadonlyArray<number> | undefined
  #onCall: () => void = () => {}

  call(ids: ReadonlyArray<number>): void {
    this.ids = ids
    this.#onCall()
  }

  /** Calls `onCall` whenever it is said again. */
  follow(onCall: () => void): void {
    this.#onCall = onCall
  }
}
