// What is wrong, by the limits of the alerts.
"use strict"

/**
 * @typedef {object} Check
 * @property {string} alert the alert of deploy/prometheus-alerts.yaml with this limit and severity
 * @property {"page" | "ticket"} severity
 * @property {number} limit in the unit of the alert; above it the word is true
 * @property {string} word
 * @property {string} tile the tile that shows it
 * @property {(now: Reading) => number | null} value
 * @property {(now: Reading) => string} why
 */

/** @type {ReadonlyArray<Check>} */
const CHECKS = [
  {
    alert: "SummonerNotReady",
    severity: "page",
    limit: 0,
    word: "closed",
    tile: "Clients",
    value: ({ state }) => (state === "ready" ? 0 : 1),
    why: ({ state }) => `${state}, takes no new clients`
  },
  {
    alert: "SummonerBusDown",
    severity: "page",
    limit: 0,
    word: "alone",
    tile: "Clients",
    value: ({ cluster }) => (cluster.state === "down" ? 1 : 0),
    why: () => "reaches no other process of its room"
  },
  {
    alert: "SummonerFull",
    severity: "page",
    limit: 0,
    word: "full",
    tile: "Refused",
    value: (now) => lastMinute(now, "incidents", ["server_full", "dropped_too_many_at_once"]),
    why: () => "refuses clients"
  },
  {
    alert: "SummonerFailedSessions",
    severity: "ticket",
    limit: 0,
    word: "failing",
    tile: "Clients",
    value: (now) => lastMinute(now, "departures", ["failed"]),
    why: () => "internal errors have ended sessions"
  },
  {
    alert: "SummonerForcedDisconnects",
    severity: "ticket",
    limit: 0,
    word: "too large",
    tile: "Clients",
    value: (now) => lastMinute(now, "departures", ["backpressure"]),
    why: () => "senders are disconnected"
  },
  {
    alert: "SummonerRelayLatency",
    severity: "ticket",
    limit: 0.1,
    word: "slow",
    tile: "Latency p99",
    value: (now) => inSeconds(latency(now, 10, 0.99)),
    why: () => "above 100 ms"
  },
  {
    alert: "SummonerEventLoopLag",
    severity: "ticket",
    limit: 0.1,
    word: "late",
    tile: "Event loop lag p99",
    value: (now) => inSeconds(now.event_loop_lag_ms.p99),
    why: () => "above 100 ms"
  },
  {
    alert: "SummonerMemory",
    severity: "ticket",
    limit: 4e8,
    word: "big",
    tile: "Memory",
    value: (now) => now.memory_bytes,
    why: () => `above ${bytes(4e8)}`
  },
  {
    alert: "SummonerSlowReaders",
    severity: "ticket",
    limit: 0,
    word: "losing lines",
    tile: "Dropped",
    value: (now) => lastMinute(now, "departures", ["too_slow"]) + lastMinute(now, "incidents", ["messages_dropped"]),
    why: () => "clients read too slowly"
  },
  {
    alert: "SummonerRateLimiting",
    severity: "ticket",
    limit: 0.1,
    word: "dropping",
    tile: "Dropped",
    value: (now) => lastMinute(now, "incidents", ["rate_limited"]) / Math.max(1, now.lines_in - readings[0].lines_in),
    why: () => "a tenth of the lines and more, by the rate limit"
  },
  {
    alert: "SummonerThrottling",
    severity: "ticket",
    limit: 0,
    word: "holding back",
    tile: "Held back",
    value: (now) => lastMinute(now, "incidents", ["throttled", "paused"]),
    why: () => "senders wait, the room is large"
  },
  {
    alert: "SummonerBusLosses",
    severity: "ticket",
    limit: 0,
    word: "losing batches",
    tile: "Dropped",
    value: ({ cluster }) => {
      const before = readings[0].cluster
      return cluster.batches_dropped + cluster.batches_lost - before.batches_dropped - before.batches_lost
    },
    why: () => "between the processes of the room"
  },
  {
    alert: "SummonerLogLinesLost",
    severity: "ticket",
    limit: 0,
    word: "log has gaps",
    tile: "Dropped",
    value: (now) => now.log_lines_dropped - readings[0].log_lines_dropped,
    why: () => "lines of the log"
  }
]

/** @param {number | null} millis */
const inSeconds = (millis) => (millis === null ? null : millis / 1000)

/** @param {Reading} now */
const problemsOf = (now) => CHECKS.filter(({ limit, value }) => (value(now) ?? 0) > limit)

/** @param {ReadonlyArray<Check>} problems */
const healthClass = (problems) =>
  problems.length === 0 ? "good" : problems.some(({ severity }) => severity === "page") ? "bad" : "warn"

/** @param {ReadonlyArray<Check>} problems */
const showHealth = (problems) => {
  const badge = $("#health")
  badge.hidden = false
  badge.className = `badge ${healthClass(problems)}`
  setText(badge, problems.length === 0 ? "healthy" : problems.map(({ word }) => word).join(", "))
}
