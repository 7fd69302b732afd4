/** The state and health of the server, and the button that drains it. */
import { count, duration } from "../formats.ts"
import type { Reading } from "../Readings.ts"
import { ask, say } from "./dialogs.ts"
import { $, setText } from "../../page/elements.ts"
import { type Check, healthClass } from "./health.ts"
import { readings } from "./history.ts"
import { act } from "./requests.ts"

const CLASSES: Readonly<Record<string, string>> = { ready: "good", draining: "warn" }

const drainButton = $("#drain", HTMLButtonElement)

export const showServer = (now: Reading, problems: ReadonlyArray<Check>): void => {
  const state = $("#state")
  state.hidden = false
  state.className = `badge ${CLASSES[now.state] ?? "bad"}`
  setText(state, now.state)
  setText($("#name"), now.name)
  const uptime = duration((now.time - Date.parse(now.started_at)) / 1000)
  setText($("#about"), [`summoner-server ${now.version}`, `up ${uptime}`, ...now.listeners].join(" · "))
  drainButton.disabled = now.state !== "ready" && now.state !== "draining"
  setText(drainButton, now.state === "draining" ? "Accept new clients …" : "Drain …")
  const words = problems.map(({ word }) => word)
  document.title = `${[`${count(now.clients)} clients`, now.state, ...words].join(", ")} – ${now.name}`
}

export const showHealth = (problems: ReadonlyArray<Check>): void => {
  const badge = $("#health")
  badge.hidden = false
  badge.className = `badge ${healthClass(problems)}`
  setText(badge, problems.length === 0 ? "healthy" : problems.map(({ word }) => word).join(", "))
}

const DRAIN = {
  path: "api/drain",
  title: "Drain this server",
  text: "The server reports that it is not ready and refuses new clients. Connected clients stay.",
  name: "Drain",
  done: "The server is draining."
}
const UNDRAIN = {
  path: "api/undrain",
  title: "Accept new clients again",
  text: "The server reports that it is ready and accepts clients.",
  name: "Accept new clients",
  done: "New clients are accepted again."
}

drainButton.addEventListener("click", () => {
  const { done, name, path, text, title } = readings.now?.state === "draining" ? UNDRAIN : DRAIN
  $("#drain-title").textContent = title
  $("#drain-text").textContent = text
  $("#drain-submit").textContent = name
  ask($("#drain-dialog", HTMLDialogElement), {
    submit: async () => {
      await act(path)
      say(done)
    }
  })
})
