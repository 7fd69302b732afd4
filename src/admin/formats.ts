/** Formats of numbers for people, shared by the dashboard and `top`. `undefined`: unknown. */

const UNKNOWN = "–"
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 })
const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 })
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 })

/** A number in full. */
export const whole = (n: number): string => grouped.format(n)

export const count = (n: number | undefined): string =>
  n === undefined ? UNKNOWN : (n < 100 ? short : n < 100_000 ? grouped : compact).format(n)

export const bytes = (n: number | undefined): string => {
  if (n === undefined) return UNKNOWN
  let unit = 0
  for (; n >= 1000 && unit < 4; unit++) n /= 1024
  return `${short.format(n)} ${["B", "KiB", "MiB", "GiB", "TiB"][unit]}`
}

/** The last bucket of the latency histogram. */
export const LAST_BOUND_MILLIS = 1000

export const millis = (n: number | undefined): string => {
  if (n === undefined) return UNKNOWN
  if (n === Infinity) return `> ${LAST_BOUND_MILLIS} ms`
  return n < 1000 ? `${short.format(n)} ms` : `${short.format(n / 1000)} s`
}

const per =
  (unit: string, format: typeof count) =>
  (n: number | undefined): string =>
    n === undefined ? UNKNOWN : `${format(n)}/${unit}`

export const perSecond = per("s", count)
export const bytesPerSecond = per("s", bytes)
export const perMinute = per("min", count)

/** A duration in its two largest units. */
export const duration = (seconds: number): string => {
  const s = Math.max(0, Math.floor(seconds))
  const parts = [
    `${Math.floor(s / 86_400)}d`,
    `${Math.floor(s / 3600) % 24}h`,
    `${Math.floor(s / 60) % 60}m`,
    `${s % 60}s`
  ]
  const first = s >= 86_400 ? 0 : s >= 3600 ? 1 : s >= 60 ? 2 : 3
  return parts.slice(first, first + 2).join(" ")
}
