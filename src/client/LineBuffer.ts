import { Fifo } from "../internal/Fifo.ts"

/** What an entry costs beside its text, in bytes. */
const ENTRY_BYTES = 128

/** The memory that a line holds, in bytes: strings take up to two bytes a character. */
const costOf = (line: string | Uint8Array): number => ENTRY_BYTES + (typeof line === "string" ? 2 : 1) * line.length

/** A queue of entries with a line each that knows the memory it holds. */
export class LineBuffer<Entry extends { readonly line: string | Uint8Array }> extends Fifo<Entry> {
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  override push(entry: Entry): void {
    super.push(entry)
    this.#bytes += costOf(entry.line)
  }

  override shift(): Entry | undefined {
    const entry = super.shift()
    if (entry !== undefined) this.#bytes -= costOf(entry.line)
    return entry
  }

  takeAll(): ReadonlyArray<Entry> {
    const entries = this.rest
    this.clear()
    this.#bytes = 0
    return entries
  }
}
