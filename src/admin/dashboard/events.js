// The client events, newest first.
"use strict"

const EVENTS_SHOWN = 200

/** Events that the server left out. */
let missed = 0

/** @param {string} time */
const clock = (time) => new Date(time).toLocaleTimeString("en-GB")

/**
 * The text of an event, and its class.
 *
 * @param {Change} change
 */
const describe = ({ client, kind, reason, type }) => {
  if (type === "state") return [`${reason} → ${client.state}`, STATE_CLASSES[client.state] ?? ""]
  if (type !== "disconnected") return [type, type === "connected" ? "good" : ""]
  if (kind === undefined) return [`disconnected: ${reason}`, ""]
  const more = kind === "lost" ? `: ${reason}` : reason.includes("and quarantined") ? ", and quarantined" : ""
  return [departure(kind) + more, ""]
}

/**
 * The `changes` event: those of one second.
 *
 * @typedef {object} Changes
 * @property {ReadonlyArray<Change>} changes
 * @property {number} missed changes left out
 */

/** @param {string} text */
const mono = (text) => element("span", { class: "mono" }, text)

/** @param {Changes} batch */
const showChanges = (batch) => {
  const list = $("#events")
  for (const change of batch.changes) {
    const { at, client } = change
    const [text, className] = describe(change)
    list.prepend(
      element(
        "li",
        {},
        element("time", { class: "soft", datetime: at }, clock(at)),
        element("span", {}, mono(client.address), " ", element("span", { class: className }, text))
      )
    )
  }
  while (list.children.length > EVENTS_SHOWN) list.lastElementChild?.remove()
  $("#events-empty").hidden = list.children.length > 0
  missed += batch.missed
  setText($("#events-missed"), missed === 0 ? "" : `${whole.format(missed)} not shown`)
}
