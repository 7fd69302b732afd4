// The state of the server, and the button that drains it.
"use strict"

/** @type {Readonly<Record<string, string>>} */
const SERVER_CLASSES = { ready: "good", draining: "warn" }

const drainButton = $("#drain", HTMLButtonElement)

/**
 * @param {Reading} now
 * @param {ReadonlyArray<Check>} problems
 */
const showServer = (now, problems) => {
  const state = $("#state")
  state.hidden = false
  state.className = `badge ${SERVER_CLASSES[now.state] ?? "bad"}`
  setText(state, now.state)
  setText($("#name"), now.name)
  const uptime = duration((now.time - Date.parse(now.started_at)) / 1000)
  setText($("#about"), [`summoner-server ${now.version}`, `up ${uptime}`, ...now.listeners].join(" · "))
  drainButton.disabled = now.state !== "ready" && now.state !== "draining"
  setText(drainButton, now.state === "draining" ? "Accept new clients …" : "Drain …")
  const words = problems.map(({ word }) => word)
  document.title = `${[`${count(now.clients)} clients`, now.state, ...words].join(", ")} – ${now.name}`
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
  const { done, name, path, text, title } = readings.at(-1)?.state === "draining" ? UNDRAIN : DRAIN
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
