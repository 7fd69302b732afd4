/** The theme: that of the system, unless another is chosen. */
import { $, setText } from "./elements.ts"
import { kept } from "./kept.ts"

const THEMES = ["auto", "light", "dark"]

const stored = kept("theme", () => localStorage)

const chosen = (): number => Math.max(0, THEMES.indexOf(stored.get() ?? ""))

const choose = (index: number) => {
  const theme = THEMES[index % THEMES.length]!
  const { dataset } = document.documentElement
  if (theme === "auto") delete dataset["theme"]
  else dataset["theme"] = theme
  stored.set(theme)
  setText($("#theme"), `Theme: ${theme}`)
}

export const offerThemes = (): void => {
  $("#theme").addEventListener("click", () => choose(chosen() + 1))
  choose(chosen())
}
