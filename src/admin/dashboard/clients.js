// The table of clients, with sorting, search and a button to disconnect each.
"use strict"

/** @typedef {typeof import("../AdminApi.ts").sortable[number]} Sort */

/**
 * @typedef {object} Column
 * @property {string} title
 * @property {(client: Client) => string} text
 * @property {Sort} [sort] sort key of the API
 * @property {string} [className] class of all its cells
 * @property {(client: Client) => string} [classOf] class of one cell
 * @property {(client: Client) => boolean} [isShownFor] hides the column unless true for a listed client
 */

/** @type {Readonly<Record<Client["state"], string>>} */
const STATE_CLASSES = {
  active: "good",
  throttled: "warn",
  paused: "warn",
  waiting: "warn",
  pending: "warn",
  slow: "bad"
}

/** @param {Client} client */
const age = ({ connected_at }) => {
  const now = readings.at(-1)?.time ?? Date.now()
  return duration((now - Date.parse(connected_at)) / 1000)
}

/** @type {ReadonlyArray<Column>} */
const COLUMNS = [
  { title: "Client", text: ({ address }) => address, sort: "address", className: "mono" },
  { title: "Certificate", text: ({ subject }) => subject ?? "", isShownFor: ({ subject }) => subject !== undefined },
  {
    title: "By",
    text: ({ transport }) => transport,
    sort: "transport",
    isShownFor: ({ transport }) => transport !== "tcp"
  },
  { title: "State", text: ({ state }) => state, sort: "state", classOf: ({ state }) => STATE_CLASSES[state] ?? "" },
  { title: "Connected", text: age, sort: "connected_at", className: "number" },
  { title: "Lines in", text: (client) => count(client.lines_in), sort: "lines_in", className: "number" },
  { title: "Lines out", text: (client) => count(client.lines_out), sort: "lines_out", className: "number" },
  { title: "In", text: (client) => bytes(client.bytes_in), sort: "bytes_in", className: "number" },
  { title: "Out", text: (client) => bytes(client.bytes_out), sort: "bytes_out", className: "number" },
  { title: "Backlog", text: (client) => bytes(client.bytes_waiting), sort: "bytes_waiting", className: "number" }
]

/** @type {{ by: Sort, order: "asc" | "desc" }} */
const sorting = { by: "connected_at", order: "desc" }

const heads = COLUMNS.map(({ className = "", isShownFor, sort, title }) => {
  const isNumber = className === "number"
  const head = element("th", { scope: "col", class: isNumber ? "number" : "" })
  head.hidden = isShownFor !== undefined
  const arrow = element("span", { "aria-hidden": "true" })
  if (sort === undefined) head.append(title)
  else {
    const button = element("button", { type: "button" }, title, arrow)
    button.addEventListener("click", () => {
      // Numbers start with the largest.
      if (sorting.by !== sort) sorting.order = isNumber ? "desc" : "asc"
      else sorting.order = sorting.order === "asc" ? "desc" : "asc"
      sorting.by = sort
      showSorting()
      clientsPoll.now()
    })
    head.append(button)
  }
  return { arrow, head, sort }
})
$("#clients-head").append(
  ...heads.map(({ head }) => head),
  element("th", { scope: "col" }, element("span", { class: "visually-hidden" }, "Action"))
)

const showSorting = () => {
  for (const { arrow, head, sort } of heads) {
    const order = sort === sorting.by ? sorting.order : undefined
    if (order === undefined) head.removeAttribute("aria-sort")
    else head.setAttribute("aria-sort", order === "asc" ? "ascending" : "descending")
    setText(arrow, order === undefined ? "" : order === "asc" ? " ↑" : " ↓")
  }
}
showSorting()

/** @param {Clients} answer */
const showClients = ({ clients, matching, total }) => {
  const hidden = COLUMNS.map(({ isShownFor }) => isShownFor !== undefined && !clients.some(isShownFor))
  for (const [i, { head }] of heads.entries()) head.hidden = hidden[i]
  updateRows($("#clients", HTMLTableSectionElement), clients, {
    key: ({ address }) => address,
    make: ({ address }) => {
      const cells = COLUMNS.map(({ className = "", title }) => element("td", { class: className, "data-title": title }))
      return element(
        "tr",
        {},
        ...cells,
        rowAction("Disconnect …", `Disconnect ${address}`, () => askDisconnect(address))
      )
    },
    update: ({ cells }, client) => {
      for (const [i, { classOf, text }] of COLUMNS.entries()) {
        const cell = cells[i]
        setText(cell, text(client))
        if (classOf !== undefined) cell.className = classOf(client)
        cell.hidden = hidden[i]
      }
    }
  })
  const listed = whole.format(clients.length)
  const found = clients.length < matching ? `${listed} of ${whole.format(matching)}` : whole.format(matching)
  setText($("#clients-shown"), matching === total ? found : `${found} found among ${whole.format(total)}`)
  $("#clients-empty").hidden = clients.length > 0
  setText($("#clients-empty"), total === 0 ? "No clients are connected." : "No client matches the search.")
}

const search = $("#search", HTMLInputElement)
const clientsPoll = poll(
  (signal) => {
    const query = { search: search.value.trim(), sort: sorting.by, order: sorting.order, limit: "100" }
    return /** @type {Promise<Clients>} */ (get(`api/clients?${new URLSearchParams(query)}`, signal))
  },
  showClients,
  $("#clients-problem")
)

/** @type {ReturnType<typeof setTimeout> | undefined} */
let searchTimer
search.addEventListener("input", () => {
  clearTimeout(searchTimer)
  searchTimer = setTimeout(clientsPoll.now, 200)
})
$("#search-form").addEventListener("submit", (event) => {
  event.preventDefault()
  clientsPoll.now()
})

/** @param {string} address */
const askDisconnect = (address) => {
  const noticeInput = $("#disconnect-notice", HTMLInputElement)
  const quarantineInput = $("#disconnect-quarantine", HTMLInputElement)
  $("#disconnect-title").textContent = `Disconnect ${address}`
  noticeInput.value = ""
  quarantineInput.checked = false
  ask($("#disconnect-dialog", HTMLDialogElement), {
    submit: async () => {
      const notice = noticeInput.value.trim()
      const quarantine = quarantineInput.checked
      await act("api/disconnect", {
        address,
        ...(notice === "" ? {} : { notice }),
        ...(quarantine ? { quarantine } : {})
      })
      say(`${address} is disconnected${quarantine ? " and quarantined" : ""}.`)
      clientsPoll.now()
      quarantinePoll.now()
    }
  })
}
