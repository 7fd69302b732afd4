// The quarantined addresses.
"use strict"

/** @param {Quarantined} answer */
const showQuarantine = ({ entries, total }) => {
  updateRows($("#quarantine", HTMLTableSectionElement), entries, {
    key: ({ key }) => key,
    make: ({ key }) =>
      element(
        "tr",
        {},
        element("td", { class: "mono" }, key),
        element("td", { class: "number" }),
        rowAction("Lift", `Lift the quarantine of ${key}`, () => lift(key))
      ),
    update: ({ cells }, { remaining_secs }) => setText(cells[1], duration(remaining_secs))
  })
  const all = whole.format(total)
  const isPart = entries.length < total
  setText($("#quarantine-shown"), isPart ? `the latest ${whole.format(entries.length)} of ${all}` : all)
  $("#quarantine-empty").hidden = total > 0
}

const quarantinePoll = poll(
  (signal) => /** @type {Promise<Quarantined>} */ (get("api/quarantine?limit=100", signal)),
  showQuarantine,
  $("#quarantine-unread")
)

const quarantineProblem = $("#quarantine-problem")

$("#quarantine-form").addEventListener("submit", (event) => {
  event.preventDefault()
  const field = $("#quarantine-key", HTMLInputElement)
  const key = field.value.trim()
  if (key === "") return field.focus()
  perform(
    () => act("api/quarantine", { key }),
    quarantineProblem,
    () => {
      field.value = ""
      say(`${key} is quarantined.`)
      quarantinePoll.now()
    }
  )
})

/** @param {string} key */
const lift = (key) =>
  perform(
    () => act("api/lift", { key }),
    quarantineProblem,
    () => {
      say(`${key} may come back.`)
      quarantinePoll.now()
    }
  )
