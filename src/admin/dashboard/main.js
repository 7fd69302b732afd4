// The page: what is drawn when, and how it begins.
"use strict"

const render = () => {
  const now = readings.at(-1)
  if (now === undefined) return
  showServer(now)
  showTiles(now)
  showPlots()
  showTotals(now)
}

/** All of it anew: somebody looks at the page again, or has given a token. */
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
