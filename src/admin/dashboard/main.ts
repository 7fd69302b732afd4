/** The dashboard: draws the page and starts its updates. */
import type { Stats } from "../Readings.ts"
import { askClients } from "./clients.ts"
import { type Changes, showChanges } from "./events.ts"
import { problemsOf } from "./health.ts"
import { readings, remember, replay } from "./history.ts"
import { hideMessages } from "./messages.ts"
import { showPlots } from "./plots.ts"
import { askQuarantine } from "./quarantine.ts"
import { showHealth, showServer } from "./server.ts"
import { disconnect, follow, reconnect } from "./stream.ts"
import { offerThemes } from "./theme.ts"
import { showTiles } from "./tiles.ts"
import { tokenEvents } from "./token.ts"
import { showTotals } from "./totals.ts"

const render = () => {
  const { now } = readings
  if (now === undefined || document.hidden) return
  const problems = problemsOf(now, readings)
  showServer(now, problems)
  showHealth(problems)
  showTiles(now, problems)
  showPlots()
  showTotals(now, readings)
}

/** Updates everything at once: the page became visible, or a token was entered. */
const refresh = () => {
  if (document.hidden) return
  render()
  void askClients()
  void askQuarantine()
  reconnect()
}

document.addEventListener("visibilitychange", refresh)
addEventListener("online", reconnect)
tokenEvents.addEventListener("entered", refresh)
tokenEvents.addEventListener("forgotten", () => {
  disconnect()
  hideMessages()
})

offerThemes()
refresh()
void follow(replay, (name, data) => {
  if (name === "stats") {
    remember(data as Stats)
    render()
  } else if (name === "changes") showChanges(data as Changes)
})
