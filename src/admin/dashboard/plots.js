// The plots: each a card with a legend, two curves over the last fifteen minutes, and the same points as a table.
"use strict"

/**
 * One curve.
 *
 * @typedef {object} Series
 * @property {Exclude<keyof Point, "time" | "tiles">} key
 * @property {string} name
 * @property {(n: number | null) => string} format
 * @property {Array<number>} [increments] allowed distances between ticks of its axis; whole numbers by default
 * @property {number} [least] the lowest top of its axis
 */

/**
 * @typedef {object} Plot
 * @property {string} title
 * @property {readonly [Series, Series]} series
 * @property {ReadonlyArray<number>} [decades] ticks of one logarithmic axis for both series; without it each has its own linear axis
 */

/** The time between two rows of a table. */
const TABULATED_MILLIS = 30_000

const WHOLE_NUMBERS = Array.from({ length: 45 }, (_, i) => [1, 2, 5][i % 3] * 10 ** Math.floor(i / 3))
const POWERS_OF_TWO = Array.from({ length: 50 }, (_, i) => 2 ** i)
/** Classes of the two series, and names of their scales. */
const COLOURS = ["first", "second"]

/** @param {Plot} plot */
const addCard = ({ series, title }) => {
  const image = element("div", { class: "plot", role: "img" })
  const when = element("span", { class: "soft" })
  const values = series.map(() => element("span"))
  const legend = series.map(({ name }, i) =>
    element("li", { class: COLOURS[i] }, element("span", { class: "soft" }, `${name} `), values[i])
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
const withGaps = () =>
  points.flatMap((point, i) =>
    i > 0 && point.time - points[i - 1].time > MAX_STEP_MILLIS ? [undefined, point] : [point]
  )

/**
 * The data for uPlot: seconds before the last point, and the values of each series.
 *
 * @param {Plot} plot
 * @param {ReadonlyArray<Point | undefined>} shown
 * @returns {uPlot.AlignedData}
 */
const dataOf = ({ decades, series }, shown) => {
  const [low, high] = decades === undefined ? [0, Infinity] : [decades[0], decades[decades.length - 1]]
  const now = shown.at(-1)?.time ?? 0
  const times = shown.map((point, i) => ((point ?? shown[i - 1] ?? { time: now }).time - now) / 1000)
  const valuesOf = (/** @type {Series} */ { key }) =>
    shown.map((point) => {
      const value = point?.[key] ?? null
      return value === null ? null : Math.min(Math.max(value, low), high)
    })
  return [times, ...series.map(valuesOf)]
}

/**
 * Ticks of the time axis: seconds before now, oldest first.
 *
 * @param {number} span in seconds
 * @param {number} most distances between ticks
 */
const timeTicks = (span, most) => {
  const step = [15, 30, 60, 120, 180, 300].find((step) => span / step <= most) ?? span
  return Array.from({ length: Math.floor(span / step) + 1 }, (_, i) => -step * i).toReversed()
}

/**
 * @param {Plot} plot
 * @param {ReadonlyArray<HTMLElement>} coloured an element in the colour of each series
 * @returns {Omit<uPlot.Options, "width" | "height">}
 */
const optionsOf = ({ decades, series }, coloured) => {
  const colourOf = (/** @type {Element} */ node) => getComputedStyle(node).color
  const soft = () => colourOf($(".soft"))
  const grid = { stroke: () => getComputedStyle(coloured[0].closest(".card") ?? coloured[0]).borderTopColor, width: 1 }
  const font = `11px ${getComputedStyle(document.body).fontFamily}`
  const axis = { font, grid: { show: false }, ticks: { show: false }, stroke: soft }
  /** @type {(series: Series) => uPlot.Scale} */
  const scaleOf = ({ least = 2 }) =>
    decades === undefined
      ? { range: (_, __, max) => [0, Math.max(least, max * 1.05)] }
      : { distr: 3, range: [decades[0], decades[decades.length - 1]] }
  /** @type {(series: Series, i: number) => uPlot.Axis} */
  const valueAxis = ({ format, increments = WHOLE_NUMBERS }, i) => ({
    ...axis,
    scale: COLOURS[i],
    side: i === 0 ? 3 : 1,
    size: 54,
    ...(decades === undefined
      ? { incrs: increments, stroke: () => colourOf(coloured[i]) }
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
        splits: ({ width }) => timeTicks(shownMillis() / 1000, width < 340 ? 3 : 5),
        values: (_, seconds) => seconds.map((second) => (second === 0 ? "now" : `−${duration(-second)}`))
      },
      ...series.slice(0, decades === undefined ? 2 : 1).map(valueAxis)
    ],
    series: [
      {},
      ...series.map((_, i) => ({
        scale: decades === undefined ? COLOURS[i] : COLOURS[0],
        stroke: () => colourOf(coloured[i]),
        width: 1.6,
        points: { show: false },
        ...(i === 0 ? { fill: () => colourOf(coloured[0]).replace(/^rgb\((.*)\)$/, "rgba($1, 0.12)") } : {})
      }))
    ]
  }
}

/**
 * @param {Plot} plot
 * @returns redraws the plot
 */
const makePlot = (plot) => {
  const { series, title } = plot
  const { details, image, legend, rows, values, when } = addCard(plot)
  const size = () => ({ width: image.clientWidth, height: image.clientHeight })
  /** @type {ReadonlyArray<Point | undefined>} */
  let shown = []
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
    series.forEach(({ format, key }, i) => setText(values[i], format(point[key])))
    setText(when, pointed === undefined ? "" : `${ago(pointed, last)} ago`)
  }

  /** @param {Point} last */
  const tabulate = (last) => {
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

/**
 * @param {Point} point
 * @param {Point} last
 */
const ago = (point, last) => duration((last.time - point.time) / 1000)

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

const showPlots = () => plots.forEach((draw) => draw())
