// The theme: that of the system, unless another is chosen.
"use strict"

const THEMES = ["auto", "light", "dark"]

const chosenTheme = () => {
  const chosen = localStorage.getItem("theme") ?? ""
  return THEMES.includes(chosen) ? chosen : "auto"
}

/** @param {string} theme */
const setTheme = (theme) => {
  const { dataset } = document.documentElement
  if (theme === "auto") delete dataset.theme
  else dataset.theme = theme
  localStorage.setItem("theme", theme)
  setText($("#theme"), `Theme: ${theme}`)
}

$("#theme").addEventListener("click", () => setTheme(THEMES[(THEMES.indexOf(chosenTheme()) + 1) % THEMES.length]))
setTheme(chosenTheme())
