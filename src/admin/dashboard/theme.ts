/** The theme: that of the system, unless another is chosen. */
import { $, setText } from "../../page/elements.ts"
import { kept } from "../../page/kept.ts"

const THEMES = ["auto", "light", "dark"]

const stored = kept("theme", () => localStorage)

const chosen = (): number => Math.max(0, THEMES.indexOf(stored.get() ?? ""))

const choose = (index: number) => {
  const theme = THEMES[index % THEMES.length]!
  document.documentElement.style.colorScheme = theme === "auto" ? "" : theme
  stored.set(theme)
  setText($("#theme"), `Theme: ${theme}`)
}

export const offerThemes = (): void => {
  $("#theme").addEventListener("click", () => choose(chosen() + 1))
  choose(chosen())
}
