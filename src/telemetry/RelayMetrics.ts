/** The metrics of a server in Effect's metric registry, computed from its statistics when read (docs/operating.md#metrics). */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { type Distribution, scaled } from "../internal/Histogram.ts"
import { RelayLogger } from "../logging/RelayLogger.ts"
import type { BusStats } from "../room/Bus.ts"
import { type DisconnectKind, noDisconnects } from "../room/DisconnectReason.ts"
import type { Stats } from "../session/ClientRegistry.ts"
import * as Incidents from "../session/Incidents.ts"
import { Operations, type ServerState } from "../session/Operations.ts"
import { TlsIdentity } from "../transport/tls/TlsIdentity.ts"
import * as MetricRegistration from "./MetricRegistration.ts"

/** One reading for all metrics of a scrape. */
interface Reading {
  readonly state: ServerState
  readonly stats: Stats
  readonly bus: BusStats
  readonly peers: number
}

type Attributes = { readonly [label: string]: string }

/** Where incidents are counted, by what they affect. */
const FAMILIES: {
  readonly [affected in Incidents.Affected]: readonly [name: string, description: string, label?: string]
} = {
  connection: ["summoner_connections_refused_total", "Connections that were not let in, by reason.", "reason"],
  line: ["summoner_lines_dropped_total", "Lines that were not relayed, by reason.", "reason"],
  sender: [
    "summoner_backpressure_total",
    "Senders that were held back or sent away because of a large fan-out.",
    "action"
  ],
  reader: ["summoner_slow_clients_total", "Times that a client did not catch up within the stall grace."],
  delivery: ["summoner_deliveries_dropped_total", "Lines that a client did not get because it read too slowly."],
  notice: ["summoner_notices_dropped_total", "Notices that a client did not get because it does not read."]
}

export const register = Effect.fnUntraced(function* (operations: Operations) {
  const registrations = yield* MetricRegistration.make
  const logger = yield* Effect.serviceOption(RelayLogger)
  const runSync = Effect.runSyncWith(yield* Effect.context())
  const tls = Option.getOrUndefined(yield* Effect.serviceOption(TlsIdentity))

  let latest: Reading | undefined
  /** A scrape reads all metrics synchronously: they share one reading. */
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
    registrations.histogram(name, description, () => scaled(value(read()), perUnit))

  gauge("summoner_clients", "Clients in the room.", ({ stats }) => stats.clients)
  gauge("summoner_ready", "1 while new clients are accepted.", ({ bus, state }) =>
    state === "ready" && bus.state !== "down" ? 1 : 0
  )
  counter("summoner_connections_total", "Clients that have joined the room.", ({ stats }) => stats.connections)
  counter("summoner_lines_received_total", "Complete lines received.", ({ stats }) => stats.linesIn)
  counter("summoner_lines_relayed_total", "Lines relayed.", ({ stats }) => stats.linesRelayed)
  counter("summoner_deliveries_total", "Lines handed to connections.", ({ stats }) => stats.linesOut)
  counter("summoner_received_bytes_total", "Bytes received from clients.", ({ stats }) => stats.bytesIn)
  counter("summoner_sent_bytes_total", "Bytes handed to connections.", ({ stats }) => stats.bytesOut)
  gauge("summoner_outbox_bytes", "Bytes that wait for clients to read.", ({ stats }) => stats.bytesWaiting)
  gauge("summoner_outbox_bytes_max", "The most bytes that wait for one client.", ({ stats }) => stats.bytesWaitingMax)
  gauge("summoner_quarantine_entries", "Addresses in quarantine.", ({ stats }) => stats.quarantined)
  histogram("summoner_fanout", "Recipients of a relayed line.", ({ stats }) => stats.fanOut)
  histogram(
    "summoner_relay_latency_seconds",
    "From reading a line to writing it to the connection of the last recipient.",
    ({ stats }) => stats.latencyMicros,
    1e6
  )
  for (const { affects, code, text } of Incidents.all) {
    const [name, description, label] = FAMILIES[affects]
    const attributes = label === undefined ? undefined : { [label]: code }
    counter(name, description, ({ stats }) => stats.incidents[text] ?? 0, attributes)
  }
  const [name, description] = FAMILIES.sender
  counter(name, description, ({ stats }) => stats.departures.backpressure, { action: "disconnected" })
  for (const kind of Object.keys(noDisconnects()) as Array<DisconnectKind>) {
    const description = "Clients that have left, by reason."
    const reason = kind.replaceAll(" ", "_")
    counter("summoner_disconnects_total", description, ({ stats }) => stats.departures[kind], { reason })
  }
  counter("summoner_log_lines_dropped_total", "Log lines dropped because a log could not be written fast enough.", () =>
    Option.match(logger, { onNone: () => 0, onSome: ({ droppedUnsafe }) => droppedUnsafe() })
  )
  if (tls?.currentUnsafe() !== undefined) {
    gauge(
      "summoner_tls_certificate_expiry_time_seconds",
      "Expiry of the server's certificate in seconds since the epoch.",
      () => (tls.currentUnsafe()?.notAfter.getTime() ?? 0) / 1000
    )
  }
  if ((yield* operations.cluster.stats).state !== "none") {
    gauge("summoner_bus_up", "1 while the other processes of the room can be reached.", ({ bus }) =>
      bus.state === "up" ? 1 : 0
    )
    gauge("summoner_bus_peers", "Other processes of the room.", ({ peers }) => peers)
    gauge("summoner_bus_waiting_bytes", "Bytes that wait for the bus.", ({ bus }) => bus.bytesWaiting)
    counter("summoner_bus_reconnects_total", "Reconnects to the bus.", ({ bus }) => bus.reconnects)
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
      const description = "Batches not exchanged with other processes, by reason."
      counter("summoner_bus_batches_missed_total", description, batches, { reason })
    }
  }
})

export const layer = Layer.effectDiscard(Effect.flatMap(Operations, register))
