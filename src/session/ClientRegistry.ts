import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { EventFeed } from "../internal/EventFeed.ts"
import type { Distribution } from "../internal/Histogram.ts"
import type { ClientInfo, ClientState } from "../room/ClientInfo.ts"
import { type DisconnectReason, type DisconnectCounts, noDisconnects } from "../room/DisconnectReason.ts"
import type { Client } from "./Client.ts"
import { noTotals, type Totals } from "./Incidents.ts"

/** Something that happened to a client. */
export type ClientChange =
  | { readonly _tag: "Connected"; readonly client: ClientInfo }
  | { readonly _tag: "StateChanged"; readonly client: ClientInfo; readonly from: ClientState }
  | { readonly _tag: "Disconnected"; readonly client: ClientInfo; readonly reason: string }

/** A line that was relayed. */
export interface RelayedMessage {
  /** Its sender: `ip:port` of a client, or the name that the host program gave. */
  readonly address: string
  readonly content: string
  /** Whom it was for, if the host program chose some. */
  readonly to?: ReadonlyArray<string> | undefined
}

/** Everything that a host program may want to follow, in the order in which it happens. */
export type RelayEvent = ClientChange | ({ readonly _tag: "Relayed" } & RelayedMessage)

/** What the server has done since it was started. Counts are totals. */
export interface Stats {
  readonly startedAt: Date
  /** Clients in the room now. */
  readonly clients: number
  /** Clients that were ever in the room. */
  readonly connections: number
  /** Complete lines received, whatever became of them. */
  readonly linesIn: number
  /** Lines relayed, those of the host program included. */
  readonly linesRelayed: number
  /** Deliveries: lines handed to clients' connections. */
  readonly linesOut: number
  readonly bytesIn: number
  readonly bytesOut: number
  /** Bytes that clients in the room have not taken yet. */
  readonly bytesWaiting: number
  /** And by the one client that has the most. */
  readonly bytesWaitingMax: number
  /** How often lines, clients and notices met a limit, by what happened. */
  readonly incidents: Readonly<Totals>
  /** Clients that have left, by how. */
  readonly departures: Readonly<DisconnectCounts>
  /** How many clients each relayed line was handed to. */
  readonly fanOut: Distribution
  /** From when a line was read to when it was handed to the last of them, in microseconds; of lines read together, that of the first. */
  readonly latencyMicros: Distribution
  /** Keys in quarantine. */
  readonly quarantined: number
  /** Events that consumers of `changes`, `messages` and `events` have lost because they fell behind. */
  readonly missedByConsumers: number
}

/** Who is connected, and what has happened: what the host program may know. */
export class ClientRegistry {
  readonly changes: EventFeed<ClientChange>
  readonly messages: EventFeed<RelayedMessage>
  readonly events: EventFeed<RelayEvent>
  readonly totals = noTotals()
  readonly #departures = noDisconnects()

  #linesRelayed = 0
  readonly #clients = new Set<Client>()
  readonly #byAddress = new Map<string, Client>()
  /** Out of the room, but not yet done with what was on its way to them. */
  readonly #leaving = new Set<Client>()
  readonly #startedMillis: number
  #connections = 0
  /** Of clients that have left. */
  readonly #left = { linesIn: 0, linesOut: 0, bytesIn: 0, bytesOut: 0 }

  private constructor(
    startedMillis: number,
    changes: EventFeed<ClientChange>,
    messages: EventFeed<RelayedMessage>,
    events: EventFeed<RelayEvent>
  ) {
    this.#startedMillis = startedMillis
    this.changes = changes
    this.messages = messages
    this.events = events
  }

  /** An empty registry. Its feeds end with the scope. */
  static readonly make = Effect.gen(function* () {
    return new ClientRegistry(
      yield* Clock.currentTimeMillis,
      yield* EventFeed.make<ClientChange>(),
      yield* EventFeed.make<RelayedMessage>(),
      yield* EventFeed.make<RelayEvent>()
    )
  })

  /** Everybody in the room. */
  get clients(): ReadonlyArray<ClientInfo> {
    return Array.from(this.#clients, ({ info }) => info)
  }

  get stats(): Omit<Stats, "fanOut" | "latencyMicros" | "quarantined"> {
    const { clients } = this
    const connected = [...clients, ...Array.from(this.#leaving, ({ info }) => info)]
    const sum = (of: "linesIn" | "linesOut" | "bytesIn" | "bytesOut") =>
      connected.reduce((total, client) => total + client[of], this.#left[of])
    return {
      startedAt: new Date(this.#startedMillis),
      clients: clients.length,
      connections: this.#connections,
      linesIn: sum("linesIn"),
      linesRelayed: this.#linesRelayed,
      linesOut: sum("linesOut"),
      bytesIn: sum("bytesIn"),
      bytesOut: sum("bytesOut"),
      bytesWaiting: clients.reduce((total, { bytesWaiting }) => total + bytesWaiting, 0),
      bytesWaitingMax: clients.reduce((most, { bytesWaiting }) => Math.max(most, bytesWaiting), 0),
      incidents: { ...this.totals },
      departures: { ...this.#departures },
      missedByConsumers: this.changes.missed + this.messages.missed + this.events.missed
    }
  }

  /** @param address `ip:port` */
  find(address: string): Client | undefined {
    return this.#byAddress.get(address)
  }

  enter(client: Client): void {
    this.#connections++
    this.#clients.add(client)
    this.#byAddress.set(client.connection.address, client)
    if (this.#isWatched) this.#publish({ _tag: "Connected", client: client.info })
  }

  leave(client: Client, { kind, reason }: Pick<DisconnectReason, "kind" | "reason">): void {
    this.#departures[kind]++
    const { address } = client.connection
    this.#clients.delete(client)
    // Somebody else may have come back with its address already.
    if (this.#byAddress.get(address) === client) this.#byAddress.delete(address)
    this.#leaving.add(client)
    if (this.#isWatched) this.#publish({ _tag: "Disconnected", client: client.info, reason })
  }

  /** Keeps the numbers of a client that is done. */
  forget(client: Client): void {
    if (!this.#leaving.delete(client)) return
    const { info } = client
    this.#left.linesIn += info.linesIn
    this.#left.linesOut += info.linesOut
    this.#left.bytesIn += info.bytesIn
    this.#left.bytesOut += info.bytesOut
  }

  /** Changes what a client's state consists of, and tells whoever watches if it is another one then. */
  change(client: Client, by: Partial<Pick<Client, "hold" | "isStalled">>): void {
    if (!this.#isWatched) return void Object.assign(client, by)
    const from = client.info.state
    Object.assign(client, by)
    const { info } = client
    if (info.state !== from) this.#publish({ _tag: "StateChanged", client: info, from })
  }

  /** Counts a line that was relayed. */
  countRelayed(): void {
    this.#linesRelayed++
  }

  /** Whether anybody would see a line that is relayed. */
  get isListenedTo(): boolean {
    return this.messages.isWatched || this.events.isWatched
  }

  /** Tells whoever listens of a line that was relayed. */
  relayed(message: RelayedMessage): void {
    const { length } = message.content
    this.messages.publish(message, length)
    this.events.publish({ _tag: "Relayed", ...message }, length)
  }

  /** Whether anybody would see what happens to a client. */
  get #isWatched(): boolean {
    return this.changes.isWatched || this.events.isWatched
  }

  #publish(change: ClientChange): void {
    this.changes.publish(change)
    this.events.publish(change)
  }
}
