/** What is wrong, by the limits of the alerts. */
import { bytes } from "../formats.ts"
import { incidents, type Reading, type Readings } from "../Readings.ts"

export interface Check {
  /** The alert of deploy/prometheus-alerts.yaml with this limit and severity. */
  readonly alert: string
  readonly severity: "page" | "ticket"
  /** In the unit of the alert; above it the word is true. */
  readonly limit: number
  readonly word: string
  readonly tile: string
  readonly value: (now: Reading, readings: Readings) => number | undefined
  readonly why: (now: Reading) => string
}

const departures =
  (kind: string) =>
  (reading: Reading): number =>
    reading.departures[kind] ?? 0

const lastMinuteOf = (readings: Readings, ...names: ReadonlyArray<string>): number =>
  readings.lastMinute(incidents((name) => names.includes(name)))

const inSeconds = (millis: number | undefined) => (millis === undefined ? undefined : millis / 1000)

const ROWS: ReadonlyArray<Pick<Check, "alert" | "word" | "tile" | "value" | "why"> & Partial<Check>> = [
  {
    alert: "SummonerNotReady",
    severity: "page",
    word: "closed",
    tile: "Clients",
    value: ({ state }) => (state === "ready" ? 0 : 1),
    why: ({ state }) => `${state}, takes no new clients`
  },
  {
    alert: "SummonerBusDown",
    severity: "page",
    word: "alone",
    tile: "Clients",
    value: ({ cluster }) => (cluster.state === "down" ? 1 : 0),
    why: () => "reaches no other process of its room"
  },
  {
    alert: "SummonerFull",
    severity: "page",
    word: "full",
    tile: "Refused",
    value: (_, readings) => lastMinuteOf(readings, "server_full", "dropped_too_many_at_once"),
    why: () => "refuses clients"
  },
  {
    alert: "SummonerFailedSessions",
    word: "failing",
    tile: "Clients",
    value: (_, readings) => readings.lastMinute(departures("failed")),
    why: () => "internal errors have ended sessions"
  },
  {
    alert: "SummonerForcedDisconnects",
    word: "too large",
    tile: "Clients",
    value: (_, readings) => readings.lastMinute(departures("backpressure")),
    why: () => "senders are disconnected"
  },
  {
    alert: "SummonerRelayLatency",
    limit: 0.1,
    word: "slow",
    tile: "Latency p99",
    value: (_, readings) => inSeconds(readings.latency(0.99, 10)),
    why: () => "above 100 ms"
  },
  {
    alert: "SummonerEventLoopLag",
    limit: 0.1,
    word: "late",
    tile: "Event loop lag p99",
    value: (now) => inSeconds(now.event_loop_lag_ms.p99),
    why: () => "above 100 ms"
  },
  {
    alert: "SummonerMemory",
    limit: 4e8,
    word: "big",
    tile: "Memory",
    value: (now) => now.memory_bytes,
    why: () => `above ${bytes(4e8)}`
  },
  {
    alert: "SummonerSlowReaders",
    word: "losing lines",
    tile: "Dropped",
    value: (_, readings) => readings.lastMinute(departures("too_slow")) + lastMinuteOf(readings, "messages_dropped"),
    why: () => "clients read too slowly"
  },
  {
    alert: "SummonerRateLimiting",
    limit: 0.1,
    word: "dropping",
    tile: "Dropped",
    value: (_, readings) =>
      lastMinuteOf(readings, "rate_limited") /
      Math.max(
        1,
        readings.lastMinute(({ lines_in }) => lines_in)
      ),
    why: () => "a tenth of the lines and more, by the rate limit"
  },
  {
    alert: "SummonerThrottling",
    word: "holding back",
    tile: "Held back",
    value: (_, readings) => lastMinuteOf(readings, "throttled", "paused"),
    why: () => "senders wait, the room is large"
  },
  {
    alert: "SummonerBusLosses",
    word: "losing batches",
    tile: "Dropped",
    value: (_, readings) => readings.lastMinute(({ cluster }) => cluster.batches_dropped + cluster.batches_lost),
    why: () => "between the processes of the room"
  },
  {
    alert: "SummonerLogLinesLost",
    word: "log has gaps",
    tile: "Dropped",
    value: (_, readings) => readings.lastMinute(({ log_lines_dropped }) => log_lines_dropped),
    why: () => "lines of the log"
  }
]

export const CHECKS: ReadonlyArray<Check> = ROWS.map((row) =>
  Object.assign({ severity: "ticket" as const, limit: 0 }, row)
)

export const problemsOf = (now: Reading, readings: Readings): ReadonlyArray<Check> =>
  CHECKS.filter(({ limit, value }) => (value(now, readings) ?? 0) > limit)

export const healthClass = (problems: ReadonlyArray<Check>): string =>
  problems.length === 0 ? "good" : problems.some(({ severity }) => severity === "page") ? "bad" : "warn"
