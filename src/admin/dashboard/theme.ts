/** The theme: that of the system, unless another is chosen. */
import { $, setText } from "./elements.ts"

const THEMES = ["auto", "light", "dark"]

const chosen = (): number => Math.max(0, THEMES.indexOf(localStorage.getItem("theme") ?? ""))

const choose = (index: number) => {
  const theme = THEMES[index % THEMES.length]!
  const { dataset } = document.documentElement
  if (theme === "auto") delete dataset["theme"]
  else dataset["theme"] = theme
  localStorage.setItem("theme", theme)
  setText($("#theme"), `Theme: ${theme}`)
}

/** Shows the theme, and changes it at a click. */
export const offerThemes = (): void => {
  $("#theme").addEventListener("click", () => choose(chosen() + 1))
  choose(chosen())
}
