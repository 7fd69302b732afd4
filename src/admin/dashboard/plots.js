// The plots: each a card with a legend, a picture that can be pointed at, and a table of the same.
"use strict"

/** The table has every fifteenth point. */
const TABULATED = 15

/**
 * @param {string} title
 * @param {ReadonlyArray<Series>} series
 */
const addCard = (title, series) => {
  const image = svg("svg", { role: "img" })
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
  return { details, image, rows, values, when }
}

/**
 * @param {string} title
 * @param {ReadonlyArray<Series>} series two of them
 * @param {ReadonlyArray<number>} [decades] ticks of one logarithmic axis for both, where small values matter beside large ones; else
 *   each has its own
 * @returns what draws it, as often as it is called
 */
const makePlot = (title, series, decades) => {
  const { details, image, rows, values, when } = addCard(title, series)

  /**
   * Where the pointer is, in pixels from the left.
   *
   * @type {number | undefined}
   */
  let pointer

  const draw = () => {
    const last = points.at(-1)
    const width = image.clientWidth
    if (last === undefined || width === 0) return
    const scale = scaleOf(width, last.time, series, decades)
    const shown = pointer === undefined ? last : nearest(scale.timeAt(pointer))
    const x = scale.x(shown.time)
    image.replaceChildren(
      ...drawAxes(scale, series),
      ...drawMinutes(scale, last.time),
      ...series.flatMap((of, i) => drawCurve(scale, of, i)),
      ...(pointer === undefined
        ? []
        : [svg("line", { class: "cursor", x1: x, x2: x, y1: MARGIN.top, y2: scale.bottom })])
    )
    const now = series.map(({ format, key, name }) => `${name} ${format(last[key])}`)
    image.setAttribute("aria-label", `${title}, last five minutes; now ${now.join(", ")}`)
    series.forEach(({ format, key }, i) => setText(values[i], format(shown[key])))
    setText(when, pointer === undefined ? "" : `${ago(shown, last)} ago`)
    if (details.open) tabulate(last)
  }

  /** @param {Point} last */
  const tabulate = (last) => {
    const shown = points.toReversed().filter((_, i) => i % TABULATED === 0)
    rows.replaceChildren(
      ...shown.map((point) => {
        const cells = [ago(point, last), ...series.map(({ format, key }) => format(point[key]))]
        return element("tr", {}, ...cells.map((text) => element("td", {}, text)))
      })
    )
  }

  image.addEventListener("pointermove", ({ offsetX }) => {
    pointer = offsetX
    draw()
  })
  image.addEventListener("pointerleave", () => {
    pointer = undefined
    draw()
  })
  details.addEventListener("toggle", draw)
  new ResizeObserver(draw).observe(image)
  return draw
}

/**
 * @param {Point} point
 * @param {Point} last
 */
const ago = (point, last) => duration((last.time - point.time) / 1000)

/** @param {number | null} n */
const perSecond = (n) => (n === null ? NOTHING : `${count(n)}/s`)

const plots = [
  makePlot("Lines and deliveries", [
    { key: "lines", name: "lines in", format: perSecond, least: 2 },
    { key: "deliveries", name: "deliveries", format: perSecond, least: 2 }
  ]),
  makePlot(
    "Latency of relaying",
    [
      { key: "p50", name: "p50", format: millis },
      { key: "p99", name: "p99", format: millis }
    ],
    [0.1, 1, 10, 100, LAST_BOUND_MILLIS]
  ),
  makePlot("Clients and backlog", [
    { key: "clients", name: "clients", format: count, least: 2 },
    { key: "backlog", name: "backlog", format: bytes, least: 1024, base: 1024 }
  ])
]

const showPlots = () => plots.forEach((draw) => draw())
