// Draws the page and starts its updates.
"use strict"

const render = () => {
  const now = readings.at(-1)
  if (now === undefined) return
  const problems = problemsOf(now)
  showServer(now, problems)
  showHealth(problems)
  showTiles(now, problems)
  showPlots()
  showTotals(now)
}

/** Updates everything at once: the page became visible, or a token was entered. */
const refresh = () => {
  if (document.hidden) return
  render()
  clientsPoll.now()
  quarantinePoll.now()
  wake()
}

document.addEventListener("visibilitychange", refresh)
addEventListener("online", () => wake())

refresh()
follow()
