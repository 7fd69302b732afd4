// Totals of incidents and of disconnected clients, by reason.
"use strict"

/** @param {string} key */
const words = (key) => key.replaceAll("_", " ").replace("utf 8", "UTF-8")

/**
 * @param {Reading} now
 * @param {"incidents" | "departures"} group
 */
const totalsOf = (now, group) =>
  Object.entries(now[group])
    .filter(([, total]) => total > 0)
    .map(([key, total]) => ({
      name: `${group === "departures" ? "disconnected: " : ""}${words(key)}`,
      recent: lastMinute(now, group, [key]),
      total
    }))

/** @param {Reading} now */
const showTotals = (now) => {
  const totals = [...totalsOf(now, "incidents"), ...totalsOf(now, "departures")]
  updateRows($("#totals", HTMLTableSectionElement), totals, {
    key: ({ name }) => name,
    make: ({ name }) => {
      const numbers = [1, 2].map(() => element("td", { class: "number" }))
      return element("tr", {}, element("td", {}, name), ...numbers)
    },
    update: ({ cells }, { recent, total }) => {
      setText(cells[1], whole.format(recent))
      setText(cells[2], whole.format(total))
    }
  })
  $("#totals-empty").hidden = totals.length > 0
}
