/** What an entry costs beside its text, in bytes. */
const ENTRY_BYTES = 128

/** The memory that a line holds, in bytes: strings take up to two bytes a character. */
const costOf = (line: string | Uint8Array): number => ENTRY_BYTES + (typeof line === "string" ? 2 : 1) * line.length

/** A queue of entries with a line each that knows the memory it holds. */
export class LineBuffer<Entry extends { readonly line: string | Uint8Array }> {
  #entries: Array<Entry> = []
  #first = 0
  #bytes = 0

  /** Memory held, in bytes. */
  get bytes(): number {
    return this.#bytes
  }

  get length(): number {
    return this.#entries.length - this.#first
  }

  push(entry: Entry): void {
    this.#entries.push(entry)
    this.#bytes += costOf(entry.line)
  }

  shift(): Entry | undefined {
    if (this.length === 0) return undefined
    const entry = this.#entries[this.#first]!
    // `Array.shift` moves all others.
    this.#entries[this.#first++] = undefined as never
    if (this.#first > 1024 && this.#first * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#first)
      this.#first = 0
    }
    this.#bytes -= costOf(entry.line)
    return entry
  }

  takeAll(): Array<Entry> {
    const entries = this.#entries.slice(this.#first)
    this.#entries = []
    this.#first = 0
    this.#bytes = 0
    return entries
  }
}
