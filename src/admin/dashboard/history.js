// The statistics received so far, and rates and quantiles derived from them.
"use strict"

/**
 * @typedef {Stats & { readonly time: number }} Reading
 * @typedef {"lines_in" | "deliveries" | "bytes_in" | "bytes_out"} Counter
 */

/**
 * One point of the plots: rates per second, latencies in milliseconds.
 *
 * @typedef {object} Point
 * @property {number} time
 * @property {number | null} lines
 * @property {number | null} deliveries
 * @property {number | null} p50
 * @property {number | null} p99
 * @property {number} clients
 * @property {number} backlog in bytes
 * @property {ReadonlyArray<number | null>} tiles the value of each tile
 */

/** The time span of the plots: that of the server's history. */
const SHOWN_MILLIS = 900_000

/** The shortest time span, for a server that has just started. */
const LEAST_SHOWN_MILLIS = 60_000

/** The server keeps an entry every ten seconds, and sends one every second. Longer pauses are gaps. */
const MAX_STEP_MILLIS = 15_000

/**
 * Of the last minute, newest last.
 *
 * @type {Array<Reading>}
 */
const readings = []

/**
 * Of the last fifteen minutes.
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
    // A restarted process counts from zero; times before the clock was set back cannot be compared.
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
    backlog: now.bytes_waiting,
    tiles: TILES.map(({ value }) => value(now))
  })
  while (now.time - points[0].time > SHOWN_MILLIS || points.length > 1000) points.shift()
}

/**
 * Remembers what happened before the page was opened, or while it was not connected.
 *
 * @param {ReadonlyArray<Stats>} entries of the server, oldest first
 */
const replay = (entries) => {
  const known = readings.at(-1)?.time ?? -Infinity
  for (const entry of entries) if (Date.parse(entry.at) > known) remember(entry)
}

/** The time from the first point to the last, within bounds: what plots and sparklines show. */
const shownMillis = () => {
  const known = points.length === 0 ? 0 : points[points.length - 1].time - points[0].time
  return Math.min(Math.max(known, LEAST_SHOWN_MILLIS), SHOWN_MILLIS)
}

/**
 * The oldest reading of the last seconds before the newest one, or the one before it where they are further apart.
 *
 * @param {Reading} now
 * @param {number} secs
 */
const since = (now, secs) => {
  const before = readings.filter(({ time }) => time < now.time)
  const oldest = before.find(({ time }) => now.time - time <= secs * 1000 + 300) ?? before.at(-1)
  return oldest !== undefined && now.time - oldest.time <= MAX_STEP_MILLIS ? oldest : undefined
}

/**
 * The rate of a counter per second, over the last two seconds.
 *
 * @param {Reading} now
 * @param {Counter} key
 */
const rate = (now, key) => {
  const before = since(now, 2)
  return before === undefined ? null : ((now[key] - before[key]) / (now.time - before.time)) * 1000
}

/**
 * The growth of some counters of a group within the last minute.
 *
 * @param {Reading} now
 * @param {"incidents" | "departures"} group
 * @param {ReadonlyArray<string>} keys
 */
const lastMinute = (now, group, keys) => {
  const before = readings[0]
  return keys.reduce((sum, key) => sum + (now[group][key] ?? 0) - (before[group][key] ?? 0), 0)
}

/**
 * A quantile of the latencies of the last seconds.
 *
 * @param {Reading} now
 * @param {number} secs
 * @param {number} quantile from 0 to 1
 * @returns {number | null} in milliseconds; `Infinity`: above the last bound; `null`: no lines were relayed
 */
const latency = (now, secs, quantile) => {
  const before = since(now, secs)?.latency_ms
  const { buckets, count } = now.latency_ms
  if (before === undefined || count === before.count) return null
  const rank = quantile * (count - before.count)
  let [from, below] = [0, 0]
  for (const [i, [bound, counted]] of buckets.entries()) {
    const atMost = counted - before.buckets[i][1]
    // Linear interpolation within the bucket.
    if (atMost >= rank) return from + ((bound - from) * (rank - below)) / (atMost - below)
    from = bound
    below = atMost
  }
  return Infinity
}
