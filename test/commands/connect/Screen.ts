/** What a person sees: a terminal that knows as much as line editing needs. It does not scroll but grows. */
export class Screen {
  #columns: number
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

  /** Has another width from now on, and wraps what is there anew, as terminals do. Rows of the old width are taken for wrapped. */
  resize(columns: number): void {
    const old = this.#columns
    const rows: Array<Array<string>> = []
    let isGoingOn = false
    let cursor: readonly [number, number] = [0, 0]
    for (const [i, row] of this.#rows.entries()) {
      if (!isGoingOn) rows.push([])
      const line = rows.at(-1)!
      const start = line.length
      if (i === this.#row) {
        const column = start + this.#column
        cursor = [rows.length - 1 + Math.floor(column / columns), column % columns]
      }
      for (const character of row) {
        if (rows.at(-1)!.length === columns) rows.push([])
        rows.at(-1)!.push(character)
      }
      isGoingOn = row.length === old
    }
    this.#columns = columns
    this.#rows = rows
    ;[this.#row, this.#column] = cursor
    while (this.#rows.length <= this.#row) this.#rows.push([])
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
    if (command === "H") {
      this.#moveTo(0)
      this.#column = 0
    }
    if (command === "G") this.#column = (count ?? 1) - 1
    if (command === "K" || command === "J") this.#rows[this.#row]!.length = this.#column
    if (command === "J") this.#rows.length = this.#row + 1
  }

  #moveTo(row: number): void {
    this.#row = row
    while (this.#rows.length <= row) this.#rows.push([])
  }
}
