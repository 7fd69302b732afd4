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
 * @type {ReadonlyArray<[name: string, value: (now: Reading) => string, detail: (now: Reading) => string]>}
 */
const TILES = [
  ["Clients", (now) => count(now.clients), (now) => `${count(now.connections)} since the start`],
  ["Lines in", (now) => `${count(rate(now, "lines_in"))}/s`, (now) => `${bytes(rate(now, "bytes_in"))}/s`],
  ["Deliveries", (now) => `${count(rate(now, "deliveries"))}/s`, () => "lines handed out"],
  ["Out", (now) => `${bytes(rate(now, "bytes_out"))}/s`, (now) => `${bytes(now.bytes_out)} in all`],
  ["Latency p99", (now) => millis(latency(now, 10, 0.99)), (now) => `p50 ${millis(latency(now, 10, 0.5))}`],
  ["Backlog", (now) => bytes(now.bytes_waiting), (now) => `worst client ${bytes(now.bytes_waiting_max)}`],
  [
    "Event loop lag p99",
    (now) => millis(now.event_loop_lag_ms.p99),
    (now) => `max ${millis(now.event_loop_lag_ms.max)}, last 5 s`
  ],
  ["Memory", (now) => bytes(now.memory_bytes), () => "resident"],
  ["Quarantined", (now) => count(now.quarantined), () => "addresses"],
  ["Refused", (now) => `${count(lastMinute(now, "incidents", refusals(now)))}/min`, () => "connections"],
  ["Dropped", (now) => `${count(lastMinute(now, "incidents", LOSSES))}/min`, () => "lines"],
  ["Held back", (now) => `${count(lastMinute(now, "incidents", HOLDS))}/min`, () => "throttled or slow"]
]

const tiles = TILES.map(([name, value, detail]) => {
  const shown = element("dd", { class: "value" }, NOTHING)
  const more = element("dd", { class: "detail" })
  $("#tiles").append(element("div", { class: "card" }, element("dt", {}, name), shown, more))
  return { shown, value, more, detail }
})

/** @param {Reading} now */
const showTiles = (now) => {
  for (const { detail, more, shown, value } of tiles) {
    setText(shown, value(now))
    setText(more, detail(now))
  }
}
