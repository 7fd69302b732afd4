/** The current values, a tile for each, with its course. */
import { LAST_BOUND_MILLIS } from "../formats.ts"
import { MAX_STEP_MILLIS, type Reading } from "../Readings.ts"
import { VALUES } from "../values.ts"
import { $, element, setText } from "../../page/elements.ts"
import { type Check, healthClass } from "./health.ts"
import { points, readings, shownMillis } from "./history.ts"

const SVG = "http://www.w3.org/2000/svg"

/** The size of a sparkline, in units of its own; its points are the largest values of each unit of time. */
const SPARK = { width: 120, height: 24 }

const tiles = VALUES.map((of) => {
  const value = element("dd", { class: "value" }, "–")
  const detail = element("dd", { class: "detail" })
  const spark = element("dd", { class: "spark", "aria-hidden": "true" })
  const picture = document.createElementNS(SVG, "svg")
  picture.setAttribute("viewBox", `0 -1 ${SPARK.width} ${SPARK.height + 2}`)
  picture.setAttribute("preserveAspectRatio", "none")
  const line = document.createElementNS(SVG, "path")
  picture.append(line)
  spark.append(picture)
  const card = element("div", { class: "card" }, element("dt", {}, of.name), value, detail, spark)
  $("#tiles").append(card)
  return { of, value, detail, line, card }
})

/** The course of a tile as the `d` of an SVG path. `now`: the time at its right end. */
const sparkline = (tile: number, now: number): string => {
  const highest: Array<number> = []
  const span = shownMillis()
  for (const { tiles, time } of points) {
    const value = tiles[tile]
    if (value === undefined) continue
    const x = Math.round(SPARK.width * (1 - (now - time) / span))
    highest[x] = Math.max(highest[x] ?? 0, value === Infinity ? LAST_BOUND_MILLIS : value)
  }
  const top = highest.reduce((most, value) => Math.max(most, value), 0)
  let path = ""
  let last = -Infinity
  const step = Math.ceil((SPARK.width * MAX_STEP_MILLIS) / span)
  highest.forEach((value, x) => {
    const y = top === 0 ? SPARK.height : SPARK.height * (1 - value / top)
    path += `${x - last <= step ? "L" : "M"}${x} ${y.toFixed(1)}`
    last = x
  })
  return path
}

export const showTiles = (now: Reading, problems: ReadonlyArray<Check>): void => {
  for (const [i, { card, detail, line, of, value }] of tiles.entries()) {
    const own = problems.filter(({ tile }) => tile === of.name)
    card.className = own.length === 0 ? "card" : `card ${healthClass(own)}`
    setText(value, of.format(of.value(readings)))
    setText(detail, own[0] === undefined ? of.detail(now, readings) : `${own[0].word}: ${own[0].why(now)}`)
    line.setAttribute("d", sparkline(i, now.time))
  }
}
