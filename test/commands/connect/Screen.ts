/** What a person sees: a terminal that knows as much as line editing needs. It does not scroll but grows. */
export class Screen {
  readonly #columns: number
  #rows: Array<Array<string>> = [[]]
  #row = 0
  #column = 0
  #unfinished = ""

  constructor(columns: number) {
    this.#columns = columns
  }

  /** The rows, without the blanks at their ends and the empty rows at the end. */
  text(): string {
    return this.#rows
      .map((row) =>
        Array.from(row, (character) => character ?? " ")
          .join("")
          .trimEnd()
      )
      .join("\n")
      .trimEnd()
  }

  write(output: string): void {
    // A sequence may be cut anywhere.
    const text = this.#unfinished + output
    // oxlint-disable-next-line eslint/no-control-regex
    const complete = text.replace(/\u001b(?:\[[0-9;?]*)?$/, "")
    this.#unfinished = text.slice(complete.length)
    // oxlint-disable-next-line eslint/no-control-regex
    for (const [token, digits, command] of complete.matchAll(/\u001b\[\??([0-9;]*)([A-Za-z])|[^]/gu)) {
      if (command === undefined) this.#put(token)
      else this.#control(command, digits === "" ? undefined : Number.parseInt(digits!, 10))
    }
  }

  #put(character: string): void {
    if (character === "\r") this.#column = 0
    else if (character === "\n") this.#moveTo(this.#row + 1)
    else if (character >= " ") {
      if (this.#column === this.#columns) {
        this.#moveTo(this.#row + 1)
        this.#column = 0
      }
      this.#rows[this.#row]![this.#column++] = character
    }
  }

  #control(command: string, count: number | undefined): void {
    if (command === "A") this.#moveTo(Math.max(0, this.#row - (count ?? 1)))
    if (command === "B") this.#moveTo(this.#row + (count ?? 1))
    if (command === "C") this.#column = Math.min(this.#columns - 1, this.#column + (count ?? 1))
    if (command === "D") this.#column = Math.max(0, this.#column - (count ?? 1))
    if (command === "G") this.#column = (count ?? 1) - 1
    if (command === "K" || command === "J") this.#rows[this.#row]!.length = this.#column
    if (command === "J") this.#rows.length = this.#row + 1
  }

  #moveTo(row: number): void {
    this.#row = row
    while (this.#rows.length <= row) this.#rows.push([])
  }
}
