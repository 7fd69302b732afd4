// Formats of numbers. `null`: unknown.
"use strict"

const NOTHING = "–"
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 })
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 })
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 })

/** @param {number | null} n */
const count = (n) => {
  if (n === null) return NOTHING
  return (n < 100 ? short : n < 100_000 ? whole : compact).format(n)
}

/** @param {number | null} n */
const bytes = (n) => {
  if (n === null) return NOTHING
  let unit = 0
  for (; n >= 1000 && unit < 4; unit++) n /= 1024
  return `${short.format(n)} ${["B", "KiB", "MiB", "GiB", "TiB"][unit]}`
}

/** The last bucket of the latency histogram. */
const LAST_BOUND_MILLIS = 1000

/** @param {number | null} n */
const millis = (n) => {
  if (n === null) return NOTHING
  if (n === Infinity) return `> ${LAST_BOUND_MILLIS} ms`
  return n < 1000 ? `${short.format(n)} ms` : `${short.format(n / 1000)} s`
}

/**
 * A duration in its two largest units.
 *
 * @param {number} secs
 */
const duration = (secs) => {
  const s = Math.max(0, Math.floor(secs))
  const parts = [
    `${Math.floor(s / 86_400)}d`,
    `${Math.floor(s / 3600) % 24}h`,
    `${Math.floor(s / 60) % 60}m`,
    `${s % 60}s`
  ]
  const first = s >= 86_400 ? 0 : s >= 3600 ? 1 : s >= 60 ? 2 : 3
  return parts.slice(first, first + 2).join(" ")
}
