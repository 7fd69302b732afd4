import type * as AdminApi from "../AdminApi.ts"
import { duration, whole } from "../formats.ts"
import { perform, say } from "./dialogs.ts"
import { $, element, setText } from "../../page/elements.ts"
import { poll } from "./polling.ts"
import { act } from "./requests.ts"
import { rowAction, updateRows } from "./tables.ts"

const showQuarantine = ({ entries, total }: typeof AdminApi.Quarantined.Type) => {
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
    update: ([, left], { remaining_secs }) => setText(left!, duration(remaining_secs))
  })
  const isPart = entries.length < total
  setText($("#quarantine-shown"), isPart ? `the latest ${whole(entries.length)} of ${whole(total)}` : whole(total))
  $("#quarantine-empty").hidden = total > 0
}

export const askQuarantine = poll(() => "api/quarantine?limit=100", showQuarantine, $("#quarantine-unread"))

const problem = $("#quarantine-problem")

$("#quarantine-form").addEventListener("submit", (event) => {
  event.preventDefault()
  const field = $("#quarantine-key", HTMLInputElement)
  const key = field.value.trim()
  if (key === "") return field.focus()
  return void perform(
    () => act("api/quarantine", { key }),
    problem,
    () => {
      field.value = ""
      say(`${key} is quarantined.`)
      void askQuarantine()
    }
  )
})

const lift = (key: string) =>
  perform(
    () => act("api/lift", { key }),
    problem,
    () => {
      say(`${key} may come back.`)
      void askQuarantine()
    }
  )
