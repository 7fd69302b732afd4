// The picture of a plot: two values over the last five minutes.
"use strict"

/**
 * One of the values.
 *
 * @typedef {object} Series
 * @property {Exclude<keyof Point, "time">} key
 * @property {string} name
 * @property {(n: number | null) => string} format
 * @property {number} [least] that the top of its axis is
 * @property {number} [base] of its units
 */

/** As the style sheet has it. */
const HEIGHT = 170
const MARGIN = { top: 8, bottom: 20, left: 52 }

/** Of the first series and of the second, as classes. */
const COLOURS = ["first", "second"]

/** A point that comes so much later than the one before, in milliseconds, does not belong to the same curve. */
const GAP_MILLIS = 3500

/**
 * The next larger number that looks good, and whose half does, on an axis.
 *
 * @param {number} value
 * @param {number} [base]
 */
const ceiling = (value, base) => {
  const unit = base === 1024 ? 1024 ** Math.floor(Math.log(value) / Math.log(1024)) : 1
  const power = 10 ** Math.floor(Math.log10(value / unit))
  const digit = [1, 2, 4, 6, 8].find((n) => n * power * unit >= value) ?? 10
  return digit * power * unit
}

/** @param {Series} series */
const topOf = ({ base, key, least = 1 }) =>
  ceiling(Math.max(least, ...points.map((point) => point[key] ?? 0).filter(Number.isFinite)), base)

/**
 * Where in a picture moments and values are.
 *
 * @param {number} width of the picture
 * @param {number} now the time at its right end
 * @param {ReadonlyArray<Series>} series
 * @param {ReadonlyArray<number>} [decades] ticks of one logarithmic axis for all series; else each has its own
 */
const scaleOf = (width, now, series, decades) => {
  const right = width - (decades === undefined ? 58 : 12)
  const bottom = HEIGHT - MARGIN.bottom
  const span = right - MARGIN.left
  const axes = series.map((of) => {
    if (decades === undefined) {
      const top = topOf(of)
      return { ticks: [0, top / 2, top], level: (/** @type {number} */ value) => value / top }
    }
    const [low, high] = [decades[0], decades[decades.length - 1]]
    const level = (/** @type {number} */ value) =>
      Math.log(Math.min(Math.max(value, low), high) / low) / Math.log(high / low)
    return { ticks: decades, level }
  })
  return {
    right,
    bottom,
    /** The axes that are shown, the second at the right. */
    axes: decades === undefined ? axes : axes.slice(0, 1),
    /** @param {number} time */
    x: (time) => right - ((now - time) / SHOWN_MILLIS) * span,
    /** @param {number} x */
    timeAt: (x) => now - ((right - x) / span) * SHOWN_MILLIS,
    /**
     * @param {number} value
     * @param {number} i which of the series it is of
     */
    y: (value, i) => bottom - axes[i].level(value) * (bottom - MARGIN.top)
  }
}

/** @typedef {ReturnType<typeof scaleOf>} Scale */

/**
 * The lines behind the curves, and the numbers beside them.
 *
 * @param {Scale} scale
 * @param {ReadonlyArray<Series>} series
 */
const drawAxes = ({ axes, right, y }, series) => [
  ...axes[0].ticks.map((tick) =>
    svg("line", { class: "grid", x1: MARGIN.left, x2: right, y1: y(tick, 0), y2: y(tick, 0) })
  ),
  ...axes.flatMap(({ ticks }, i) => {
    const place = i === 0 ? { x: MARGIN.left - 6, "text-anchor": "end" } : { x: right + 6, "text-anchor": "start" }
    return ticks.map((tick) =>
      svg("text", { ...place, y: y(tick, i) + 4, class: axes.length > 1 ? COLOURS[i] : "" }, series[i].format(tick))
    )
  })
]

/**
 * @param {Scale} scale
 * @param {number} now
 */
const drawMinutes = ({ axes, right, x }, now) =>
  (right - MARGIN.left < 230 ? [4, 2, 0] : [5, 4, 3, 2, 1, 0]).map((minute) =>
    svg(
      "text",
      {
        x: x(now - minute * 60_000),
        y: HEIGHT - 4,
        // Without an axis at the right, there is no room beyond the end.
        "text-anchor": minute === 0 && axes.length === 1 ? "end" : "middle"
      },
      minute === 0 ? "now" : `−${minute} min`
    )
  )

/**
 * The curve of a series; under the first, its area.
 *
 * @param {Scale} scale
 * @param {Series} series
 * @param {number} i which one it is
 */
const drawCurve = ({ bottom, x, y }, { key }, i) => {
  const runs = runsOf(key).map((run) => run.map(({ time, value }) => [x(time).toFixed(1), y(value, i).toFixed(1)]))
  const line = runs.map((run) => `M${run.join("L")}${run.length === 1 ? "h.1" : ""}`)
  const curve = svg("path", { class: `curve ${COLOURS[i]}`, d: line.join("") })
  if (i > 0) return [curve]
  const area = runs.map((run) => `M${run[0][0]},${bottom}L${run.join("L")}L${run[run.length - 1][0]},${bottom}Z`)
  return [svg("path", { class: `area ${COLOURS[i]}`, d: area.join("") }), curve]
}

/**
 * Points in a row that have a value. There is none while no line was relayed, or the server was out of reach.
 *
 * @param {Series["key"]} key
 */
const runsOf = (key) => {
  /** @type {Array<Array<{ readonly time: number, readonly value: number }>>} */
  const runs = []
  let before = -Infinity
  for (const { time, [key]: value } of points) {
    if (value === null) before = -Infinity
    else {
      if (time - before > GAP_MILLIS) runs.push([])
      runs[runs.length - 1].push({ time, value })
      before = time
    }
  }
  return runs
}

/** @param {number} time */
const nearest = (time) =>
  points.reduce((best, point) => (Math.abs(point.time - time) < Math.abs(best.time - time) ? point : best))
