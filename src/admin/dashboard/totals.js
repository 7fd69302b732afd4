// Totals of incidents and of disconnected clients, by reason.
"use strict"

/**
 * How clients leave, as operators say it, by the keys of `departures`.
 *
 * @type {Readonly<Record<string, string>>}
 */
const DEPARTURES = {
  left: "left",
  lost: "connection lost",
  idle: "disconnected: idle for too long",
  too_slow: "disconnected: read too slowly",
  backpressure: "disconnected: the room is too large",
  application: "disconnected by an operator or the program",
  shutdown: "disconnected by the shutdown",
  failed: "disconnected by an internal error"
}

/** @param {string} key */
const words = (key) => key.replaceAll("_", " ").replace("utf 8", "UTF-8")

/** @param {string} key */
const departure = (key) => DEPARTURES[key] ?? `disconnected: ${words(key)}`

/**
 * @param {Reading} now
 * @param {"incidents" | "departures"} group
 */
const totalsOf = (now, group) =>
  Object.entries(now[group])
    .filter(([, total]) => total > 0)
    .map(([key, total]) => ({
      name: group === "departures" ? departure(key) : words(key),
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
