// What the server has said until now, and what follows from it.
"use strict"

/**
 * @typedef {Stats & { readonly time: number }} Reading
 * @typedef {"lines_in" | "deliveries" | "bytes_in" | "bytes_out"} Counter
 */

/**
 * One moment of the plots: rates in a second, latencies in milliseconds.
 *
 * @typedef {object} Point
 * @property {number} time
 * @property {number | null} lines
 * @property {number | null} deliveries
 * @property {number | null} p50
 * @property {number | null} p99
 * @property {number} clients
 * @property {number} backlog in bytes
 */

/** How far back plots go. */
const SHOWN_MILLIS = 300_000

/**
 * Of the last minute, the newest last.
 *
 * @type {Array<Reading>}
 */
const readings = []

/**
 * Of the last five minutes.
 *
 * @type {Array<Point>}
 */
const points = []

/** @param {Stats} stats */
const remember = (stats) => {
  const now = { ...stats, time: Date.parse(stats.at) }
  const before = readings.at(-1)
  if (before !== undefined) {
    if (now.time === before.time) return
    // The counters of another process begin at nothing, and a clock that was set back tells nothing of before.
    if (now.started_at !== before.started_at || now.time < before.time) readings.length = 0
    if (now.time < before.time) points.length = 0
  }
  readings.push(now)
  while (now.time - readings[0].time > 61_000) readings.shift()
  points.push({
    time: now.time,
    lines: rate(now, "lines_in"),
    deliveries: rate(now, "deliveries"),
    p50: latency(now, 2, 0.5),
    p99: latency(now, 2, 0.99),
    clients: now.clients,
    backlog: now.bytes_waiting
  })
  while (now.time - points[0].time > SHOWN_MILLIS || points.length > 400) points.shift()
}

/**
 * The oldest reading of the last seconds, one at least being before the newest.
 *
 * @param {Reading} now
 * @param {number} secs
 */
const since = (now, secs) => readings.find(({ time }) => now.time - time <= secs * 1000 + 300 && time < now.time)

/**
 * How fast a counter has grown within the last two seconds, in a second.
 *
 * @param {Reading} now
 * @param {Counter} key
 */
const rate = (now, key) => {
  const before = since(now, 2)
  return before === undefined ? null : ((now[key] - before[key]) / (now.time - before.time)) * 1000
}

/**
 * How much counters of a group have grown within the last minute.
 *
 * @param {Reading} now
 * @param {"incidents" | "departures"} group
 * @param {ReadonlyArray<string>} keys
 */
const lately = (now, group, keys) => {
  const before = readings[0]
  return keys.reduce((sum, key) => sum + (now[group][key] ?? 0) - (before[group][key] ?? 0), 0)
}

/**
 * A quantile of the latencies of the last seconds, from how many lines were at most so late.
 *
 * @param {Reading} now
 * @param {number} secs
 * @param {number} quantile from 0 to 1
 * @returns {number | null} in milliseconds; `Infinity`: above the last bound; `null`: no line was relayed
 */
const latency = (now, secs, quantile) => {
  const before = since(now, secs)?.latency_ms
  const { buckets, count } = now.latency_ms
  if (before === undefined || count === before.count) return null
  const rank = quantile * (count - before.count)
  let [from, below] = [0, 0]
  for (const [i, [bound, counted]] of buckets.entries()) {
    const atMost = counted - before.buckets[i][1]
    // Within a bucket nothing is known: they are taken to be spread evenly.
    if (atMost >= rank) return from + ((bound - from) * (rank - below)) / (atMost - below)
    from = bound
    below = atMost
  }
  return Infinity
}
