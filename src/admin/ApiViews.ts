/** Converts the server's own types to those of the admin API. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { lowerBound } from "../internal/Fifo.ts"
import { type Distribution, scaled } from "../internal/Histogram.ts"
import type { Entry } from "../limits/Quarantine.ts"
import type { RelayLogger } from "../logging/RelayLogger.ts"
import type { RoomClient } from "../room/Bus.ts"
import type { ClientInfo } from "../room/ClientInfo.ts"
import type * as ClientRegistry from "../session/ClientRegistry.ts"
import type { Operations } from "../session/Operations.ts"
import type { ServerStatus } from "../session/ServerStatus.ts"
import type { EventLoopLag } from "../telemetry/EventLoopLag.ts"
import { version } from "../version.ts"
import type * as AdminApi from "./AdminApi.ts"
import { SORT_KEYS, type SortKey } from "./sortable.ts"

type Client = typeof AdminApi.Client.Type

export const client = (info: ClientInfo): Client => ({
  address: info.address,
  ip: info.ip,
  transport: info.transport,
  connected_at: info.connectedSince.toISOString(),
  state: info.state,
  lines_in: info.linesIn,
  lines_out: info.linesOut,
  bytes_in: info.bytesIn,
  bytes_out: info.bytesOut,
  bytes_waiting: info.bytesWaiting,
  ...(info.subject === undefined ? {} : { subject: info.subject }),
  ...("relay" in info ? { relay: (info as RoomClient).relay } : {})
})

export interface Query {
  readonly search?: string
  readonly sort?: SortKey
  readonly order?: "asc" | "desc"
  readonly limit?: number
}

export const clients = (
  infos: ReadonlyArray<ClientInfo>,
  { limit = 100, order = "asc", search = "", sort = "connected_at" }: Query
) => {
  const matching = infos.filter(({ address, subject = "" }) => address.includes(search) || subject.includes(search))
  const sign = order === "asc" ? 1 : -1
  const key = SORT_KEYS[sort]
  const first = firstOf(matching, limit, (a, b) => sign * compare(a[key], b[key]))
  return { total: infos.length, matching: matching.length, clients: first.map(client) }
}

/** The first `limit` items in order. Sorting a hundred thousand clients would block the event loop, and so the room. */
const firstOf = <A>(items: ReadonlyArray<A>, limit: number, compare: (a: A, b: A) => number): ReadonlyArray<A> => {
  const first: Array<A> = []
  for (const item of items) {
    if (first.length === limit && compare(item, first[limit - 1]!) >= 0) continue
    const place = lowerBound(first, 0, (other) => compare(item, other) < 0)
    first.splice(place, 0, item)
    if (first.length > limit) first.pop()
  }
  return first
}

const compare = <A extends string | number | Date>(a: A, b: A): number => (a < b ? -1 : a > b ? 1 : 0)

const distribution = (of: Distribution, perUnit = 1) => {
  const { buckets, count, sum } = scaled(of, perUnit)
  return { buckets, count, sum }
}

const snakeCase = (name: string) => name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "_")

const snakeCased = (counts: Readonly<Record<string, number>>) =>
  Object.fromEntries(Object.entries(counts).map(([name, count]) => [snakeCase(name), count]))

/** @param entries in the order in which they were added */
export const quarantined = (entries: ReadonlyArray<Entry>, { limit = 100 }: { readonly limit?: number }) => ({
  total: entries.length,
  entries: entries
    .slice(-limit)
    .toReversed()
    .map(({ key, remainingMillis }) => ({ key, remaining_secs: Math.ceil(remainingMillis / 1000) }))
})

/**
 * The statistics of a server, whenever this is run.
 *
 * @param status has where it listens, once it does
 */
export const stats = (
  operations: Operations,
  status: Pick<ServerStatus["Service"], "listeners">,
  lag: () => EventLoopLag,
  logger: RelayLogger["Service"] | undefined
): Effect.Effect<typeof AdminApi.Stats.Type> =>
  Effect.gen(function* () {
    const of = yield* operations.stats
    const bus = yield* operations.cluster.stats
    const peers = yield* operations.cluster.peers
    return {
      name: logger?.name ?? "summoner-server",
      version,
      listeners: status.listeners,
      state: yield* operations.state,
      at: (yield* DateTime.nowAsDate).toISOString(),
      started_at: of.startedAt.toISOString(),
      clients: of.clients,
      connections: of.connections,
      lines_in: of.linesIn,
      lines_relayed: of.linesRelayed,
      deliveries: of.linesOut,
      bytes_in: of.bytesIn,
      bytes_out: of.bytesOut,
      bytes_waiting: of.bytesWaiting,
      bytes_waiting_max: of.bytesWaitingMax,
      quarantined: of.quarantined,
      incidents: snakeCased(of.incidents),
      departures: snakeCased(of.departures),
      fan_out: distribution(of.fanOut),
      latency_ms: distribution(of.latencyMicros, 1000),
      event_loop_lag_ms: lag(),
      log_lines_dropped: logger?.droppedUnsafe() ?? 0,
      cluster: {
        state: bus.state,
        peers: peers.map(({ clients, name }) => ({ name, clients })),
        batches_in: bus.batchesIn,
        batches_out: bus.batchesOut,
        batches_dropped: bus.dropped,
        batches_lost: bus.lost,
        bytes_waiting: bus.bytesWaiting
      },
      memory_bytes: process.memoryUsage.rss()
    }
  })

export const change = (event: ClientRegistry.ClientChange, at: Date): typeof AdminApi.Change.Type => {
  const of = { at: at.toISOString(), client: client(event.client) }
  switch (event._tag) {
    case "Connected":
      return { type: "connected", ...of, reason: "" }
    case "Disconnected":
      return { type: "disconnected", ...of, kind: snakeCase(event.kind), reason: event.reason }
    case "StateChanged":
      return { type: "state", ...of, reason: event.from }
  }
}

/** Characters of a message that operators are shown. */
const SHOWN_CHARACTERS = 500

export const message = (
  { address, content }: ClientRegistry.RelayedMessage,
  at: Date
): typeof AdminApi.Message.Type => ({
  at: at.toISOString(),
  from: address,
  content: content.slice(0, SHOWN_CHARACTERS).toWellFormed(),
  omitted: Math.max(0, content.length - SHOWN_CHARACTERS)
})
