/** What the tiles of the dashboard, and `top`, show. */
import { bytes, bytesPerSecond, count, millis, perMinute, perSecond } from "./formats.ts"
import type { Reading, Readings } from "./Readings.ts"

interface Value {
  readonly name: string
  readonly value: (readings: Readings) => number | undefined
  readonly format: (n: number | undefined) => string
  readonly detail: (now: Reading, readings: Readings) => string
}

export const VALUES: ReadonlyArray<Value> = [
  {
    name: "Clients",
    value: ({ now }) => now?.clients,
    format: count,
    detail: ({ connections }) => `${count(connections)} since the start`
  },
  {
    name: "Lines in",
    value: (readings) => readings.rate("lines_in"),
    format: perSecond,
    detail: (_, readings) => bytesPerSecond(readings.rate("bytes_in"))
  },
  {
    name: "Deliveries",
    value: (readings) => readings.rate("deliveries"),
    format: perSecond,
    detail: () => "lines handed out"
  },
  {
    name: "Out",
    value: (readings) => readings.rate("bytes_out"),
    format: bytesPerSecond,
    detail: ({ bytes_out }) => `${bytes(bytes_out)} in all`
  },
  {
    name: "Latency p99",
    value: (readings) => readings.latency(0.99, 10),
    format: millis,
    detail: (_, readings) => `p50 ${millis(readings.latency(0.5, 10))}`
  },
  {
    name: "Backlog",
    value: ({ now }) => now?.bytes_waiting,
    format: bytes,
    detail: ({ bytes_waiting_max }) => `worst client ${bytes(bytes_waiting_max)}`
  },
  {
    name: "Event loop lag p99",
    value: ({ now }) => now?.event_loop_lag_ms.p99,
    format: millis,
    detail: ({ event_loop_lag_ms }) => `max ${millis(event_loop_lag_ms.max)}, last 5 s`
  },
  { name: "Memory", value: ({ now }) => now?.memory_bytes, format: bytes, detail: () => "resident" },
  { name: "Quarantined", value: ({ now }) => now?.quarantined, format: count, detail: () => "addresses" },
  { name: "Refused", value: ({ refused }) => refused, format: perMinute, detail: () => "connections" },
  { name: "Dropped", value: ({ dropped }) => dropped, format: perMinute, detail: () => "lines" },
  { name: "Held back", value: ({ heldBack }) => heldBack, format: perMinute, detail: () => "throttled or slow" }
]
