import { element } from "../../page/elements.ts"

/**
 * Updates the rows of a table. A row keeps its element while its key is listed, which preserves the focus and a click in progress.
 *
 * @param how `make` creates an empty row
 */
export const updateRows = <Item>(
  body: HTMLTableSectionElement,
  items: ReadonlyArray<Item>,
  how: {
    readonly key: (item: Item) => string
    readonly make: (item: Item) => HTMLTableRowElement
    readonly update: (cells: ReadonlyArray<HTMLTableCellElement>, item: Item) => void
  }
): void => {
  const focused = body.contains(document.activeElement) ? document.activeElement : null
  const wanted = new Set(items.map(how.key))
  const rows = new Map<string, HTMLTableRowElement>()
  for (const row of Array.from(body.rows)) {
    const key = row.dataset["key"] ?? ""
    if (wanted.has(key)) rows.set(key, row)
    else row.remove()
  }
  let next = body.firstElementChild
  for (const item of items) {
    const key = how.key(item)
    const row = rows.get(key) ?? how.make(item)
    row.dataset["key"] = key
    how.update(Array.from(row.cells), item)
    if (row === next) next = row.nextElementSibling
    else body.insertBefore(row, next)
  }
  if (focused instanceof HTMLElement && focused !== document.activeElement) {
    const target = focused.isConnected ? focused : body.closest<HTMLElement>("[tabindex]")
    target?.focus({ preventScroll: true })
  }
}

/** The last cell of a row, with a button. `label`: accessible name: the action and the row. */
export const rowAction = (text: string, label: string, onClick: () => void): HTMLTableCellElement => {
  const button = element("button", { type: "button", class: "small quiet", "aria-label": label }, text)
  button.addEventListener("click", onClick)
  return element("td", { class: "number" }, button)
}
