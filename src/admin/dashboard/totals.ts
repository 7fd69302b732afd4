/** Totals of incidents and of disconnected clients, by reason. */
import { whole } from "../formats.ts"
import type { Reading, Readings } from "../Readings.ts"
import { $, element, setText } from "../../page/elements.ts"
import { updateRows } from "./tables.ts"
import { departure, words } from "./words.ts"

const totalsOf = (now: Reading, readings: Readings, group: "incidents" | "departures") =>
  Object.entries(now[group])
    .filter(([, total]) => total > 0)
    .map(([key, total]) => ({
      name: group === "departures" ? departure(key) : words(key),
      recent: readings.lastMinute((reading) => reading[group][key] ?? 0),
      total
    }))

export const showTotals = (now: Reading, readings: Readings): void => {
  const totals = [...totalsOf(now, readings, "incidents"), ...totalsOf(now, readings, "departures")]
  updateRows($("#totals", HTMLTableSectionElement), totals, {
    key: ({ name }) => name,
    make: ({ name }) => {
      const numbers = [1, 2].map(() => element("td", { class: "number" }))
      return element("tr", {}, element("td", {}, name), ...numbers)
    },
    update: ([, minute, all], { recent, total }) => {
      setText(minute!, whole(recent))
      setText(all!, whole(total))
    }
  })
  $("#totals-empty").hidden = totals.length > 0
}
