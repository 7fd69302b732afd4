/** The plots: each a card with a legend, two curves over the last fifteen minutes, and the same points as a table. */
import uPlot from "uplot"
import { bytes, count, duration, LAST_BOUND_MILLIS, millis, perSecond } from "../formats.ts"
import { $, element, setText } from "../../page/elements.ts"
import { isGap, type Point, points, shownMillis } from "./history.ts"

interface Series {
  readonly key: Exclude<keyof Point, "time" | "tiles">
  readonly name: string
  readonly format: (n: number | undefined) => string
  /** Allowed distances between ticks of its axis; whole numbers by default. */
  readonly increments?: Array<number>
  /** The lowest top of its axis. */
  readonly least?: number
}

interface Plot {
  readonly title: string
  readonly series: readonly [Series, Series]
  /** Ticks of one logarithmic axis for both series; without it each has its own linear axis. */
  readonly decades?: Array<number>
}

const TABULATED_MILLIS = 30_000

const WHOLE_NUMBERS = Array.from({ length: 45 }, (_, i) => [1, 2, 5][i % 3]! * 10 ** Math.floor(i / 3))
const POWERS_OF_TWO = Array.from({ length: 50 }, (_, i) => 2 ** i)
/** Classes of the two series, and names of their scales. */
const COLOURS = ["first", "second"] as const

const addCard = ({ series, title }: Plot) => {
  const image = element("div", { class: "plot", role: "img", "aria-label": title })
  const when = element("span", { class: "soft" })
  const values = series.map(() => element("span"))
  const legend = series.map(({ name }, i) =>
    element("li", { class: COLOURS[i]! }, element("span", { class: "soft" }, `${name} `), values[i]!)
  )
  const rows = element("tbody")
  const heads = ["Ago", ...series.map(({ name }) => name)].map((name) => element("th", { scope: "col" }, name))
  const table = element("table", { "aria-label": title }, element("thead", {}, element("tr", {}, ...heads)), rows)
  const details = element(
    "details",
    {},
    element("summary", {}, "As a table"),
    element("div", { class: "scroll low", role: "region", tabindex: "0", "aria-label": `${title}, as a table` }, table)
  )
  $("#plots").append(
    element(
      "figure",
      { class: "card" },
      element("figcaption", { class: "heading" }, element("h2", {}, title), when),
      element("ul", { class: "legend" }, ...legend),
      image,
      details
    )
  )
  return { details, image, legend, rows, values, when }
}

/** The points, with an empty one in each gap, so that no curve spans it. */
const withGaps = (): ReadonlyArray<Point | undefined> =>
  points.flatMap((point, i) => (i > 0 && isGap(point, points[i - 1]!) ? [undefined, point] : [point]))

/** The data for uPlot: seconds before the last point, and the values of each series. */
const dataOf = ({ decades, series }: Plot, shown: ReadonlyArray<Point | undefined>): uPlot.AlignedData => {
  const [low, high] = decades === undefined ? [0, Infinity] : [decades[0]!, decades.at(-1)!]
  const now = shown.at(-1)?.time ?? 0
  const times = shown.map((point, i) => ((point ?? shown[i - 1] ?? { time: now }).time - now) / 1000)
  const valuesOf = ({ key }: Series) =>
    shown.map((point) => {
      const value = point?.[key]
      return value === undefined ? null : Math.min(Math.max(value, low), high)
    })
  return [times, ...series.map(valuesOf)]
}

/** @param coloured an element in the colour of each series */
const optionsOf = (
  { decades, series }: Plot,
  coloured: ReadonlyArray<HTMLElement>
): Omit<uPlot.Options, "width" | "height"> => {
  const colourOf = (node: Element) => getComputedStyle(node).color
  const grid = { stroke: () => getComputedStyle(coloured[0]!.closest(".card")!).borderTopColor, width: 1 }
  const font = `11px ${getComputedStyle(document.body).fontFamily}`
  const axis = { font, grid: { show: false }, ticks: { show: false }, stroke: () => colourOf($(".soft")) }
  const scaleOf = ({ least = 2 }: Series): uPlot.Scale =>
    decades === undefined
      ? { range: (_, __, max) => [0, Math.max(least, max * 1.05)] }
      : { distr: 3, range: [decades[0]!, decades.at(-1)!] }
  const valueAxis = ({ format, increments = WHOLE_NUMBERS }: Series, i: number): uPlot.Axis => ({
    ...axis,
    scale: COLOURS[i]!,
    side: i === 0 ? 3 : 1,
    size: 54,
    ...(decades === undefined
      ? { incrs: increments, stroke: () => colourOf(coloured[i]!) }
      : { splits: () => [...decades] }),
    ...(i === 0 ? { grid } : {}),
    values: (_, ticks) => ticks.map(format)
  })
  return {
    legend: { show: false },
    cursor: { y: false, drag: { x: false } },
    scales: {
      x: { time: false, range: () => [-shownMillis() / 1000, 0] },
      first: scaleOf(series[0]),
      second: scaleOf(series[1])
    },
    axes: [
      {
        ...axis,
        size: 26,
        gap: 8,
        incrs: [15, 30, 60, 120, 180, 300],
        space: ({ width }, _axis, _min, _max, length) => length / (width < 340 ? 3 : 5),
        values: (_, seconds) =>
          seconds.map((second) => (second === 0 ? "now" : second % 60 === 0 ? `−${-second / 60} min` : `−${-second} s`))
      },
      ...series.slice(0, decades === undefined ? 2 : 1).map(valueAxis)
    ],
    series: [
      {},
      ...series.map((_, i) => ({
        scale: COLOURS[decades === undefined ? i : 0]!,
        stroke: () => colourOf(coloured[i]!),
        width: 1.6,
        points: { show: false },
        ...(i === 0 ? { fill: () => colourOf(coloured[0]!).replace(/^rgb\((.*)\)$/, "rgba($1, 0.12)") } : {})
      }))
    ]
  }
}

const ago = (point: Point, last: Point): string => duration((last.time - point.time) / 1000)

/** @returns redraws the plot */
const makePlot = (plot: Plot) => {
  const { series, title } = plot
  const { details, image, legend, rows, values, when } = addCard(plot)
  const size = () => ({ width: image.clientWidth, height: image.clientHeight })
  let shown: ReadonlyArray<Point | undefined> = []
  const picture = new uPlot({ ...optionsOf(plot, legend), ...size() }, [[], [], []], image)

  const draw = () => {
    const last = points.at(-1)
    if (last === undefined || image.clientWidth === 0) return
    shown = withGaps()
    picture.setData(dataOf(plot, shown))
    const now = series.map(({ format, key, name }) => `${name} ${format(last[key])}`)
    image.setAttribute("aria-label", `${title}, last fifteen minutes; now ${now.join(", ")}`)
    showLegend()
    if (details.open) tabulate(last)
  }

  /** Shows the values at the pointer, or the latest ones, in the legend. */
  const showLegend = () => {
    const last = points.at(-1)
    const pointed = shown[picture.cursor.idx ?? -1]
    const point = pointed ?? last
    if (last === undefined || point === undefined) return
    series.forEach(({ format, key }, i) => setText(values[i]!, format(point[key])))
    setText(when, pointed === undefined ? "" : `${ago(pointed, last)} ago`)
  }

  const tabulate = (last: Point) => {
    let next = Infinity
    const some = points.toReversed().filter(({ time }) => {
      if (time > next) return false
      next = time - TABULATED_MILLIS
      return true
    })
    rows.replaceChildren(
      ...some.map((point) => {
        const cells = [ago(point, last), ...series.map(({ format, key }) => format(point[key]))]
        return element("tr", {}, ...cells.map((text) => element("td", {}, text)))
      })
    )
  }

  picture.hooks.setCursor = [showLegend]
  details.addEventListener("toggle", draw)
  new ResizeObserver(() => {
    picture.setSize(size())
    draw()
  }).observe(image)
  return draw
}

const plots = [
  makePlot({
    title: "Lines and deliveries",
    series: [
      { key: "lines", name: "lines in", format: perSecond },
      { key: "deliveries", name: "deliveries", format: perSecond }
    ]
  }),
  makePlot({
    title: "Latency of relaying",
    series: [
      { key: "p50", name: "p50", format: millis },
      { key: "p99", name: "p99", format: millis }
    ],
    decades: [0.1, 1, 10, 100, LAST_BOUND_MILLIS]
  }),
  makePlot({
    title: "Clients and backlog",
    series: [
      { key: "clients", name: "clients", format: count },
      { key: "backlog", name: "backlog", format: bytes, increments: POWERS_OF_TWO, least: 1024 }
    ]
  })
]

export const showPlots = (): void => plots.forEach((draw) => draw())
