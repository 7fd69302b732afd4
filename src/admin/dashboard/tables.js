// Updates of tables.
"use strict"

/**
 * Updates the rows of a table. A row keeps its element while its key is listed, which preserves the focus and a click in progress.
 *
 * @template Item
 * @param {HTMLTableSectionElement} body
 * @param {ReadonlyArray<Item>} items
 * @param {object} how
 * @param {(item: Item) => string} how.key
 * @param {(item: Item) => HTMLTableRowElement} how.make creates an empty row
 * @param {(row: HTMLTableRowElement, item: Item) => void} how.update
 */
const updateRows = (body, items, { key, make, update }) => {
  const focused = body.contains(document.activeElement) ? document.activeElement : null
  const wanted = new Set(items.map(key))
  /** @type {Map<string | undefined, HTMLTableRowElement>} */
  const rows = new Map()
  for (const row of Array.from(body.rows)) {
    if (wanted.has(row.dataset.key ?? "")) rows.set(row.dataset.key, row)
    else row.remove()
  }
  let next = body.firstElementChild
  for (const item of items) {
    const row = rows.get(key(item)) ?? make(item)
    row.dataset.key = key(item)
    update(row, item)
    if (row === next) next = row.nextElementSibling
    else body.insertBefore(row, next)
  }
  if (focused instanceof HTMLElement && focused !== document.activeElement) {
    /** @type {HTMLElement | null} */
    const scroll = body.closest("[tabindex]")
    const target = focused.isConnected ? focused : scroll
    target?.focus({ preventScroll: true })
  }
}

/**
 * The last cell of a row, with a button.
 *
 * @param {string} text
 * @param {string} label accessible name: the action and the row
 * @param {() => void} onClick
 */
const rowAction = (text, label, onClick) => {
  const button = element("button", { type: "button", class: "small quiet", "aria-label": label }, text)
  button.addEventListener("click", onClick)
  return element("td", { class: "number" }, button)
}
