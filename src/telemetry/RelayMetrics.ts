/**
 * The metrics of a server, in Effect's metric registry: what scrapes and exports read. Their meaning is in docs/metrics.md.
 *
 * Nothing is counted for them: they show numbers that the server has anyway, at the moment at which they are read.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Distribution } from "../internal/Histogram.ts"
import { RelayLogger } from "../logging/RelayLogger.ts"
import type { BusStats } from "../room/Bus.ts"
import type { DisconnectKind } from "../room/DisconnectReason.ts"
import type { Stats } from "../session/ClientRegistry.ts"
import type { Incident } from "../session/Incidents.ts"
import { Operations, type ServerState } from "../session/Operations.ts"
import { TlsIdentity } from "../transport/tls/TlsIdentity.ts"
import * as MetricRegistration from "./MetricRegistration.ts"

/** What is read at once, for all metrics. */
interface Reading {
  readonly state: ServerState
  readonly stats: Stats
  readonly bus: BusStats
  readonly peers: number
}

type Attributes = { readonly [label: string]: string }

const FAMILIES = {
  refused: ["summoner_connections_refused_total", "Connections that were not let in, by reason.", "reason"],
  dropped: ["summoner_lines_dropped_total", "Lines that were not relayed, by reason.", "reason"],
  pressed: [
    "summoner_backpressure_total",
    "Senders that were held back or sent away because of a large fan-out.",
    "action"
  ],
  slow: ["summoner_slow_clients_total", "Times that a client did not catch up within the stall grace.", undefined],
  undelivered: [
    "summoner_deliveries_dropped_total",
    "Lines that a client did not get because it read too slowly.",
    undefined
  ],
  untold: ["summoner_notices_dropped_total", "Notices that a client did not get because it does not read.", undefined]
} as const

/** Where each incident is counted. */
const INCIDENTS: { readonly [incident in Incident]: readonly [family: keyof typeof FAMILIES, value?: string] } = {
  "rate limited": ["dropped", "rate_limited"],
  oversized: ["dropped", "oversized"],
  "not UTF-8": ["dropped", "not_utf8"],
  throttled: ["pressed", "throttled"],
  paused: ["pressed", "paused"],
  slow: ["slow"],
  "messages dropped": ["undelivered"],
  "notices dropped": ["untold"],
  quarantined: ["refused", "quarantined"],
  "server full": ["refused", "server_full"],
  "dropped, too many at once": ["refused", "too_many_at_once"],
  draining: ["refused", "draining"],
  "not a WebSocket handshake": ["refused", "no_websocket_handshake"],
  "origin not allowed": ["refused", "origin_not_allowed"],
  "not allowed": ["refused", "not_allowed"],
  "no PROXY header": ["refused", "no_proxy_header"],
  "TLS on the plain-text port": ["refused", "tls_on_plain_port"],
  "plain text on the TLS port": ["refused", "plain_on_tls_port"],
  "TLS handshake failed": ["refused", "tls_handshake"],
  "arrival timed out": ["refused", "arrival_timeout"],
  "displaced while arriving": ["refused", "displaced"]
}

const DEPARTURES: { readonly [kind in DisconnectKind]: string } = {
  left: "left",
  lost: "lost",
  idle: "idle",
  "too slow": "too_slow",
  backpressure: "backpressure",
  application: "application",
  shutdown: "shutdown",
  failed: "failed"
}

/** Registers the metrics of a server, until the scope ends. */
export const register = Effect.fnUntraced(function* (operations: Operations) {
  const registrations = yield* MetricRegistration.make
  const logger = yield* Effect.serviceOption(RelayLogger)
  const runSync = Effect.runSyncWith(yield* Effect.context())
  const tls = Option.getOrUndefined(yield* Effect.serviceOption(TlsIdentity))

  let latest: Reading | undefined
  /** All metrics are read in one go: for that, the server is asked once. */
  const read = (): Reading => {
    if (latest === undefined) {
      latest = runSync(
        Effect.all({
          state: operations.state,
          stats: operations.stats,
          bus: operations.cluster.stats,
          peers: Effect.map(operations.cluster.peers, ({ length }) => length)
        })
      )
      queueMicrotask(() => {
        latest = undefined
      })
    }
    return latest
  }

  type Value = (reading: Reading) => number
  const counter = (name: string, description: string, value: Value, attributes?: Attributes) =>
    registrations.counter(name, description, () => value(read()), attributes)
  const gauge = (name: string, description: string, value: Value) =>
    registrations.gauge(name, description, () => value(read()))
  const histogram = (name: string, description: string, value: (reading: Reading) => Distribution, perUnit = 1) =>
    registrations.histogram(name, description, () => {
      const { buckets, count, max, min, sum } = value(read())
      return {
        buckets: buckets.map(([bound, atMost]): [number, number] => [bound / perUnit, atMost]),
        count,
        min: min / perUnit,
        max: max / perUnit,
        sum: sum / perUnit
      }
    })

  gauge("summoner_clients", "Clients in the room.", ({ stats }) => stats.clients)
  gauge("summoner_ready", "1 while new clients are taken.", ({ bus, state }) =>
    state === "ready" && bus.state !== "down" ? 1 : 0
  )
  counter("summoner_connections_total", "Clients that were ever in the room.", ({ stats }) => stats.connections)
  counter("summoner_lines_received_total", "Complete lines received.", ({ stats }) => stats.linesIn)
  counter("summoner_lines_relayed_total", "Lines relayed.", ({ stats }) => stats.linesRelayed)
  counter("summoner_deliveries_total", "Lines handed to connections.", ({ stats }) => stats.linesOut)
  counter("summoner_received_bytes_total", "Bytes received from clients.", ({ stats }) => stats.bytesIn)
  counter("summoner_sent_bytes_total", "Bytes handed to connections.", ({ stats }) => stats.bytesOut)
  gauge("summoner_outbox_bytes", "Bytes that clients have not taken yet.", ({ stats }) => stats.bytesWaiting)
  gauge("summoner_outbox_bytes_max", "The most of them for one client.", ({ stats }) => stats.bytesWaitingMax)
  gauge("summoner_quarantine_entries", "Addresses in quarantine.", ({ stats }) => stats.quarantined)
  histogram("summoner_fanout", "Recipients of a relayed line.", ({ stats }) => stats.fanOut)
  histogram(
    "summoner_relay_latency_seconds",
    "From reading a line to handing it to the last recipient's connection.",
    ({ stats }) => stats.latencyMicros,
    1e6
  )
  for (const [incident, [family, value]] of Object.entries(INCIDENTS)) {
    const [name, description, label] = FAMILIES[family]
    const attributes = label === undefined ? undefined : { [label]: value! }
    counter(name, description, ({ stats }) => stats.incidents[incident as Incident], attributes)
  }
  const [pressed, pressure] = FAMILIES.pressed
  counter(pressed, pressure, ({ stats }) => stats.departures.backpressure, { action: "disconnected" })
  for (const [kind, reason] of Object.entries(DEPARTURES)) {
    const description = "Clients that have left, by how."
    counter("summoner_disconnects_total", description, ({ stats }) => stats.departures[kind as DisconnectKind], {
      reason
    })
  }
  counter("summoner_log_lines_dropped_total", "Log lines dropped because a log could not be written fast enough.", () =>
    Option.match(logger, { onNone: () => 0, onSome: ({ droppedUnsafe }) => droppedUnsafe() })
  )
  if (tls?.currentUnsafe() !== undefined) {
    gauge(
      "summoner_tls_certificate_expiry_time_seconds",
      "When the server's certificate ends, since 1970.",
      () => (tls.currentUnsafe()?.notAfter.getTime() ?? 0) / 1000
    )
  }
  if ((yield* operations.cluster.stats).state !== "none") {
    gauge("summoner_bus_up", "1 while the other processes of the room can be reached.", ({ bus }) =>
      bus.state === "up" ? 1 : 0
    )
    gauge("summoner_bus_peers", "Other processes of the room.", ({ peers }) => peers)
    gauge("summoner_bus_waiting_bytes", "Bytes that wait for the bus.", ({ bus }) => bus.bytesWaiting)
    counter("summoner_bus_reconnects_total", "Connections lost and made again.", ({ bus }) => bus.reconnects)
    const exchanged = [
      ["sent", ({ bus }: Reading) => bus.batchesOut, ({ bus }: Reading) => bus.bytesOut],
      ["received", ({ bus }: Reading) => bus.batchesIn, ({ bus }: Reading) => bus.bytesIn]
    ] as const
    for (const [direction, batches, bytes] of exchanged) {
      counter("summoner_bus_batches_total", "Batches exchanged with other processes.", batches, { direction })
      counter("summoner_bus_bytes_total", "Bytes of lines exchanged with other processes.", bytes, { direction })
    }
    const missing = [
      ["dropped", ({ bus }: Reading) => bus.dropped],
      ["lost", ({ bus }: Reading) => bus.lost],
      ["duplicate", ({ bus }: Reading) => bus.duplicates],
      ["malformed", ({ bus }: Reading) => bus.malformed]
    ] as const
    for (const [reason, batches] of missing) {
      const description = "Batches that did not make their way to or from other processes, by reason."
      counter("summoner_bus_batches_missed_total", description, batches, { reason })
    }
  }
})

/** Registers the metrics of the `Operations`. */
export const layer = Layer.effectDiscard(Effect.flatMap(Operations, register))
