/** The table of clients, with sorting, search and a button to disconnect each. */
import type * as AdminApi from "../AdminApi.ts"
import { bytes, count, duration, whole } from "../formats.ts"
import type { SortKey } from "../sortable.ts"
import { ask, say } from "./dialogs.ts"
import { $, element, setText } from "../../page/elements.ts"
import { readings } from "./history.ts"
import { poll } from "./polling.ts"
import { askQuarantine } from "./quarantine.ts"
import { act } from "./requests.ts"
import { rowAction, updateRows } from "./tables.ts"

type Client = typeof AdminApi.Client.Type

interface Column {
  readonly title: string
  readonly text: (client: Client) => string
  /** Sort key of the API. */
  readonly sort?: SortKey
  /** Class of all its cells. */
  readonly className?: string
  /** Class of one cell. */
  readonly classOf?: (client: Client) => string
  /** Hides the column unless true for a listed client. */
  readonly isShownFor?: (client: Client) => boolean
}

export const STATE_CLASSES: Readonly<Record<Client["state"], string>> = {
  active: "good",
  throttled: "warn",
  paused: "warn",
  waiting: "warn",
  pending: "warn",
  slow: "bad"
}

const age = ({ connected_at }: Client) =>
  duration(((readings.now?.time ?? Date.now()) - Date.parse(connected_at)) / 1000)

const numbers = (title: string, sort: SortKey & keyof Client, format: typeof count): Column => ({
  title,
  text: (client) => format(client[sort] as number),
  sort,
  className: "number"
})

const COLUMNS: ReadonlyArray<Column> = [
  { title: "Client", text: ({ address }) => address, sort: "address", className: "mono" },
  { title: "Certificate", text: ({ subject }) => subject ?? "", isShownFor: ({ subject }) => subject !== undefined },
  { title: "By", text: (client) => client.transport, sort: "transport", isShownFor: (by) => by.transport !== "tcp" },
  { title: "State", text: ({ state }) => state, sort: "state", classOf: ({ state }) => STATE_CLASSES[state] ?? "" },
  { title: "Connected", text: age, sort: "connected_at", className: "number" },
  numbers("Lines in", "lines_in", count),
  numbers("Lines out", "lines_out", count),
  numbers("In", "bytes_in", bytes),
  numbers("Out", "bytes_out", bytes),
  numbers("Backlog", "bytes_waiting", bytes)
]

let sorting: { readonly by: SortKey; readonly order: "asc" | "desc" } = { by: "connected_at", order: "desc" }

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
      const isAscending = sorting.by === sort ? sorting.order === "desc" : !isNumber
      sorting = { by: sort, order: isAscending ? "asc" : "desc" }
      showSorting()
      void askClients()
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

const showClients = ({ clients, matching, total }: typeof AdminApi.Clients.Type) => {
  const hidden = COLUMNS.map(({ isShownFor }) => isShownFor !== undefined && !clients.some(isShownFor))
  for (const [i, { head }] of heads.entries()) head.hidden = hidden[i]!
  updateRows($("#clients", HTMLTableSectionElement), clients, {
    key: ({ address }) => address,
    make: ({ address }) => {
      const cells = COLUMNS.map(({ className = "", title }) => element("td", { class: className, "data-title": title }))
      const action = rowAction("Disconnect …", `Disconnect ${address}`, () => askDisconnect(address))
      return element("tr", {}, ...cells, action)
    },
    update: (cells, client) => {
      for (const [i, { classOf, text }] of COLUMNS.entries()) {
        const cell = cells[i]!
        setText(cell, text(client))
        if (classOf !== undefined) cell.className = classOf(client)
        cell.hidden = hidden[i]!
      }
    }
  })
  const found = clients.length < matching ? `${whole(clients.length)} of ${whole(matching)}` : whole(matching)
  setText($("#clients-shown"), matching === total ? found : `${found} found among ${whole(total)}`)
  $("#clients-empty").hidden = clients.length > 0
  setText($("#clients-empty"), total === 0 ? "No clients are connected." : "No client matches the search.")
}

const search = $("#search", HTMLInputElement)
export const askClients = poll(
  () => {
    const query = { search: search.value.trim(), sort: sorting.by, order: sorting.order, limit: "100" }
    return `api/clients?${new URLSearchParams(query)}`
  },
  showClients,
  $("#clients-problem")
)

let searchTimer: ReturnType<typeof setTimeout> | undefined
search.addEventListener("input", () => {
  clearTimeout(searchTimer)
  searchTimer = setTimeout(askClients, 200)
})
$("#search-form").addEventListener("submit", (event) => {
  event.preventDefault()
  void askClients()
})

const askDisconnect = (address: string) => {
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
      void askClients()
      void askQuarantine()
    }
  })
}
