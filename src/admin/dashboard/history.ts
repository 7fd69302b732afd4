/** The statistics received so far, and the points of plots and sparklines. */
import { MAX_STEP_MILLIS, Readings, type Stats } from "../Readings.ts"
import { VALUES } from "../values.ts"

/** One point of the plots: rates per second, latencies in milliseconds. */
export interface Point {
  readonly time: number
  readonly lines: number | undefined
  readonly deliveries: number | undefined
  readonly p50: number | undefined
  readonly p99: number | undefined
  readonly clients: number
  /** In bytes. */
  readonly backlog: number
  /** The value of each tile. */
  readonly tiles: ReadonlyArray<number | undefined>
}

/** The time span of the plots: that of the server's history; the shortest, for a server that has just started. */
const SHOWN_MILLIS = 900_000
const LEAST_SHOWN_MILLIS = 60_000

export const readings = new Readings()

/** Of the last fifteen minutes. */
export const points: Array<Point> = []

export const remember = (stats: Stats): void => {
  if (!readings.add(stats)) return
  const { bytes_waiting: backlog, clients, time } = readings.now!
  if (time < (points.at(-1)?.time ?? 0)) points.length = 0
  points.push({
    time,
    lines: readings.rate("lines_in"),
    deliveries: readings.rate("deliveries"),
    p50: readings.latency(0.5, 2),
    p99: readings.latency(0.99, 2),
    clients,
    backlog,
    tiles: VALUES.map(({ value }) => value(readings))
  })
  while (time - points[0]!.time > SHOWN_MILLIS || points.length > 1000) points.shift()
}

/** Remembers what happened before the page was opened, or while it was not connected. `entries`: of the server, oldest first. */
export const replay = (entries: ReadonlyArray<Stats>): void => {
  const known = readings.now?.time ?? -Infinity
  for (const entry of entries) if (Date.parse(entry.at) > known) remember(entry)
}

/** The time from the first point to the last, within bounds: what plots and sparklines show. */
export const shownMillis = (): number => {
  const known = (points.at(-1)?.time ?? 0) - (points[0]?.time ?? 0)
  return Math.min(Math.max(known, LEAST_SHOWN_MILLIS), SHOWN_MILLIS)
}

/** Whether curves are interrupted between two points. */
export const isGap = (point: Point, before: Point): boolean => point.time - before.time > MAX_STEP_MILLIS
