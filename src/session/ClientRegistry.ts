import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Stream from "effect/Stream"
import { EventFeed, type Observed } from "../internal/EventFeed.ts"
import type { Distribution } from "../internal/Histogram.ts"
import { MessageLog } from "../logging/RelayLogger.ts"
import type { ClientInfo, ClientState } from "../room/ClientInfo.ts"
import {
  type DisconnectCounts,
  type DisconnectKind,
  type DisconnectReason,
  noDisconnects
} from "../room/DisconnectReason.ts"
import type { Sender } from "../room/Room.ts"
import type { Client } from "./Client.ts"
import { noTotals, type Totals } from "./Incidents.ts"

/** A client has connected, changed its state, or left. */
export type ClientChange =
  | { readonly _tag: "Connected"; readonly client: ClientInfo }
  | { readonly _tag: "StateChanged"; readonly client: ClientInfo; readonly from: ClientState }
  | {
      readonly _tag: "Disconnected"
      readonly client: ClientInfo
      readonly kind: DisconnectKind
      readonly reason: string
    }

/** A relayed line. */
export interface RelayedMessage {
  /** Its sender: the `ip:port` of a client, or a name given by the host program. */
  readonly address: string
  readonly content: string
  /** Its recipients, if the host program chose them. */
  readonly to?: ReadonlyArray<string> | undefined
}

/** An event of the server. */
export type RelayEvent = ClientChange | ({ readonly _tag: "Relayed" } & RelayedMessage)

/** Counts since the start of the server. */
export interface Stats {
  readonly startedAt: Date
  /** Clients that are connected now. */
  readonly clients: number
  /** Clients that have ever been connected. */
  readonly connections: number
  /** Complete lines received, relayed or not. */
  readonly linesIn: number
  /** Lines relayed, including those of the host program. */
  readonly linesRelayed: number
  /** Deliveries: lines handed to clients' connections. */
  readonly linesOut: number
  readonly bytesIn: number
  readonly bytesOut: number
  /** Bytes that clients in the room have not taken yet. */
  readonly bytesWaiting: number
  /** The most of them for one client. */
  readonly bytesWaitingMax: number
  /** How often each kind of incident has happened. */
  readonly incidents: Readonly<Totals>
  /** Clients that have left, by kind. */
  readonly departures: Readonly<DisconnectCounts>
  /** Recipients of each relayed line. */
  readonly fanOut: Distribution
  /** Time from reading a line to handing it to its last recipient, in microseconds; of lines read together, that of the first. */
  readonly latencyMicros: Distribution
  /** Keys in quarantine. */
  readonly quarantined: number
  /** Events that consumers of `changes`, `messages` and `events` have lost because they fell behind. */
  readonly missedByConsumers: number
}

/** The clients, their events and counts, for the host program and the other processes. */
export class ClientRegistry extends Context.Service<
  ClientRegistry,
  {
    readonly totals: Totals
    /** The clients that are connected, those included that are not admitted to the room. */
    readonly clientsUnsafe: () => ReadonlyArray<ClientInfo>
    readonly statsUnsafe: () => Omit<Stats, "fanOut" | "latencyMicros" | "quarantined">
    /** @param address `ip:port` */
    readonly findUnsafe: (address: string) => Client | undefined
    readonly enterUnsafe: (client: Client) => void
    /** A client has left. Bytes may still be on their way to it. */
    readonly leaveUnsafe: (client: Client, reason: Pick<DisconnectReason, "kind" | "reason">) => void
    /** The connection of a client that has left is closed: only its counts are kept. */
    readonly forgetUnsafe: (client: Client) => void
    /** Changes the state of a client, and publishes it if `ClientState` changes. */
    readonly changeUnsafe: (client: Client, by: Partial<Pick<Client, "hold" | "isInRoom" | "isStalled">>) => void
    /** Counts, logs and publishes the line `bytes[start, end)`, which was relayed. `address`: of its sender. `to`: its recipients, if not all. */
    readonly relayedUnsafe: (
      address: string,
      bytes: Uint8Array,
      start: number,
      end: number,
      to?: ReadonlyArray<Sender>
    ) => void
    /** Whether anybody wants to know the lines that are relayed: then each has to be told to `relayedUnsafe`. */
    readonly areLinesWatchedUnsafe: () => boolean
    /** Counts lines that were relayed. */
    readonly countRelayedUnsafe: (lines: number) => void
    /** As `Operations` has them. */
    readonly changes: Stream.Stream<Observed<ClientChange>>
    readonly messages: Stream.Stream<Observed<RelayedMessage>>
    readonly events: Stream.Stream<Observed<RelayEvent>>
  }
>()("summoner-server/ClientRegistry") {
  /** An empty registry. Its streams end with the scope. */
  static readonly layer = Layer.effect(
    ClientRegistry,
    Effect.gen(function* () {
      const startedAt = new Date(yield* Clock.currentTimeMillis)
      const messageLog = yield* MessageLog
      const changes = yield* EventFeed.make<ClientChange>()
      const messages = yield* EventFeed.make<RelayedMessage>()
      const events = yield* EventFeed.make<RelayEvent>()
      const totals = noTotals()
      const departures = noDisconnects()
      const clients = new Set<Client>()
      const byAddress = new Map<string, Client>()
      /** Out of the room, with bytes on their way to them. */
      const leaving = new Set<Client>()
      /** Of clients that have left. */
      const left = { linesIn: 0, linesOut: 0, bytesIn: 0, bytesOut: 0 }
      let connections = 0
      let linesRelayed = 0

      const clientsUnsafe = () => Array.from(clients, ({ info }) => info)
      const present = () => clientsUnsafe().map((client) => ({ _tag: "Connected" as const, client }))
      const areLinesWatched = () => messageLog.enabled || messages.isWatched || events.isWatched
      const isWatched = () => changes.isWatched || events.isWatched
      const publish = (change: ClientChange) => {
        changes.publish(change)
        events.publish(change)
      }

      return ClientRegistry.of({
        totals,
        clientsUnsafe,
        statsUnsafe: () => {
          const inRoom = clientsUnsafe()
          const connected = [...inRoom, ...Array.from(leaving, ({ info }) => info)]
          const sum = (of: keyof typeof left) => connected.reduce((total, client) => total + client[of], left[of])
          return {
            startedAt,
            clients: inRoom.length,
            connections,
            linesIn: sum("linesIn"),
            linesRelayed,
            linesOut: sum("linesOut"),
            bytesIn: sum("bytesIn"),
            bytesOut: sum("bytesOut"),
            bytesWaiting: inRoom.reduce((total, { bytesWaiting }) => total + bytesWaiting, 0),
            bytesWaitingMax: inRoom.reduce((most, { bytesWaiting }) => Math.max(most, bytesWaiting), 0),
            incidents: { ...totals },
            departures: { ...departures },
            missedByConsumers: changes.missed + messages.missed + events.missed
          }
        },
        findUnsafe: (address) => byAddress.get(address),
        enterUnsafe: (client) => {
          connections++
          clients.add(client)
          byAddress.set(client.connection.address, client)
          if (isWatched()) publish({ _tag: "Connected", client: client.info })
        },
        leaveUnsafe: (client, { kind, reason }) => {
          departures[kind]++
          const { address } = client.connection
          clients.delete(client)
          // Another client may have come with the same address already.
          if (byAddress.get(address) === client) byAddress.delete(address)
          leaving.add(client)
          if (isWatched()) publish({ _tag: "Disconnected", client: client.info, kind, reason })
        },
        forgetUnsafe: (client) => {
          if (!leaving.delete(client)) return
          const { info } = client
          left.linesIn += info.linesIn
          left.linesOut += info.linesOut
          left.bytesIn += info.bytesIn
          left.bytesOut += info.bytesOut
        },
        changeUnsafe: (client, by) => {
          if (!isWatched()) return void Object.assign(client, by)
          const from = client.info.state
          Object.assign(client, by)
          const { info } = client
          if (info.state !== from) publish({ _tag: "StateChanged", client: info, from })
        },
        areLinesWatchedUnsafe: areLinesWatched,
        countRelayedUnsafe: (lines) => {
          linesRelayed += lines
        },
        relayedUnsafe: (address, bytes, start, end, to) => {
          linesRelayed++
          if (!areLinesWatched()) return
          const content = toText(bytes, start, end)
          messageLog.relayed(address, content)
          const message: RelayedMessage =
            to === undefined
              ? { address, content }
              : { address, content, to: to.map((client) => client.address).filter((client) => client !== address) }
          messages.publish(message, content.length)
          events.publish({ _tag: "Relayed", ...message }, content.length)
        },
        changes: changes.stream(present),
        messages: messages.stream(),
        events: events.stream(present)
      })
    })
  )
}

export const toText = (bytes: Uint8Array, start: number, end: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8", start, end)
