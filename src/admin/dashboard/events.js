// Who came, left, and met a limit, the newest first.
"use strict"

const EVENTS_SHOWN = 200

/** How many the server has left out. */
let missed = 0

/** @param {string} time */
const clock = (time) => new Date(time).toLocaleTimeString("en-GB")

/**
 * What has happened, and a class for it.
 *
 * @param {Change} change
 */
const describe = ({ client, reason, type }) => {
  if (type === "state") return [`${reason} → ${client.state}`, STATE_CLASSES[client.state] ?? ""]
  return type === "disconnected" ? [`left: ${reason}`, ""] : [type, type === "connected" ? "good" : ""]
}

/**
 * What has happened within a second.
 *
 * @typedef {object} Changes
 * @property {ReadonlyArray<Change>} changes
 * @property {number} missed how many more there were
 */

/** @param {Changes} batch */
const showChanges = (batch) => {
  const list = $("#events")
  for (const change of batch.changes) {
    const { at, client } = change
    const [what, className] = describe(change)
    list.prepend(
      element(
        "li",
        {},
        element("time", { class: "soft", datetime: at }, clock(at)),
        element(
          "span",
          {},
          element("span", { class: "mono" }, client.address),
          " ",
          element("span", { class: className }, what)
        )
      )
    )
  }
  while (list.children.length > EVENTS_SHOWN) list.lastElementChild?.remove()
  $("#events-empty").hidden = list.children.length > 0
  missed += batch.missed
  setText($("#events-missed"), missed === 0 ? "" : `${whole.format(missed)} not shown`)
}
