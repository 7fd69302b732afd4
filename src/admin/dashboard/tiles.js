// The current values, a tile for each.
"use strict"

const LOSSES = ["rate_limited", "oversized", "not_utf_8", "messages_dropped"]
const HOLDS = ["throttled", "paused", "slow"]
const CLIENT_INCIDENTS = new Set([...LOSSES, ...HOLDS, "notices_dropped"])

/**
 * All other incidents are refused connections.
 *
 * @param {Reading} now
 */
const refusals = (now) => Object.keys(now.incidents).filter((incident) => !CLIENT_INCIDENTS.has(incident))

/**
 * @typedef {object} Tile
 * @property {string} name
 * @property {(now: Reading) => number | null} value
 * @property {(n: number | null) => string} format
 * @property {(now: Reading) => string} detail
 */

/** @param {number | null} n */
const perSecond = (n) => (n === null ? NOTHING : `${count(n)}/s`)

/** @param {number | null} n */
const bytesPerSecond = (n) => (n === null ? NOTHING : `${bytes(n)}/s`)

/** @param {number | null} n */
const perMinute = (n) => `${count(n)}/min`

/** @type {ReadonlyArray<Tile>} */
const TILES = [
  {
    name: "Clients",
    value: (now) => now.clients,
    format: count,
    detail: (now) => `${count(now.connections)} since the start`
  },
  {
    name: "Lines in",
    value: (now) => rate(now, "lines_in"),
    format: perSecond,
    detail: (now) => bytesPerSecond(rate(now, "bytes_in"))
  },
  { name: "Deliveries", value: (now) => rate(now, "deliveries"), format: perSecond, detail: () => "lines handed out" },
  {
    name: "Out",
    value: (now) => rate(now, "bytes_out"),
    format: bytesPerSecond,
    detail: (now) => `${bytes(now.bytes_out)} in all`
  },
  {
    name: "Latency p99",
    value: (now) => latency(now, 10, 0.99),
    format: millis,
    detail: (now) => `p50 ${millis(latency(now, 10, 0.5))}`
  },
  {
    name: "Backlog",
    value: (now) => now.bytes_waiting,
    format: bytes,
    detail: (now) => `worst client ${bytes(now.bytes_waiting_max)}`
  },
  {
    name: "Event loop lag p99",
    value: (now) => now.event_loop_lag_ms.p99,
    format: millis,
    detail: (now) => `max ${millis(now.event_loop_lag_ms.max)}, last 5 s`
  },
  { name: "Memory", value: (now) => now.memory_bytes, format: bytes, detail: () => "resident" },
  { name: "Quarantined", value: (now) => now.quarantined, format: count, detail: () => "addresses" },
  {
    name: "Refused",
    value: (now) => lastMinute(now, "incidents", refusals(now)),
    format: perMinute,
    detail: () => "connections"
  },
  {
    name: "Dropped",
    value: (now) => lastMinute(now, "incidents", LOSSES),
    format: perMinute,
    detail: () => "lines"
  },
  {
    name: "Held back",
    value: (now) => lastMinute(now, "incidents", HOLDS),
    format: perMinute,
    detail: () => "throttled or slow"
  }
]

/** The size of a sparkline, in units of its own; its points are the largest values of each unit of time. */
const SPARK = { width: 120, height: 24 }

const tiles = TILES.map((tile) => {
  const shown = element("dd", { class: "value" }, NOTHING)
  const more = element("dd", { class: "detail" })
  const line = svgElement("path", {})
  const picture = svgElement("svg", { viewBox: `0 -1 ${SPARK.width} ${SPARK.height + 2}`, preserveAspectRatio: "none" })
  picture.append(line)
  const spark = element("dd", { class: "spark", "aria-hidden": "true" }, picture)
  const card = element("div", { class: "card" }, element("dt", {}, tile.name), shown, more, spark)
  $("#tiles").append(card)
  return { tile, shown, more, line, card }
})

/**
 * The course of a tile as the `d` of an SVG path.
 *
 * @param {number} index of the tile
 * @param {number} now the time at its right end
 */
const sparkline = (index, now) => {
  /** @type {Array<number>} */
  const highest = []
  const span = shownMillis()
  for (const { tiles, time } of points) {
    const value = tiles[index]
    if (value === null) continue
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

/**
 * @param {Reading} now
 * @param {ReadonlyArray<Check>} problems
 */
const showTiles = (now, problems) => {
  for (const [index, { card, line, more, shown, tile }] of tiles.entries()) {
    const own = problems.filter((problem) => problem.tile === tile.name)
    card.className = own.length === 0 ? "card" : `card ${healthClass(own)}`
    setText(shown, tile.format(tile.value(now)))
    setText(more, own.length === 0 ? tile.detail(now) : `${own[0].word}: ${own[0].why(now)}`)
    line.setAttribute("d", sparkline(index, now.time))
  }
}
