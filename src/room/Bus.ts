import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { ClientInfo } from "./ClientInfo.ts"
import type { Chunk } from "./Outbox.ts"

export type { Chunk } from "./Outbox.ts"

/** The bus cannot be used as configured, or is not there and may not be waited for. */
export class BusError extends Schema.TaggedError<BusError>()("BusError", {
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/** Whether the other processes can be reached. `none`: there is no bus. */
export type BusState = "none" | "up" | "down"

/** Counts of a bus since it was started. A batch counts once, in however many messages it travels. */
export interface BusStats {
  readonly state: BusState
  readonly batchesOut: number
  /** Of envelopes, each counted once. */
  readonly bytesOut: number
  readonly batchesIn: number
  readonly bytesIn: number
  /** Bytes that wait to be sent or confirmed. */
  readonly bytesWaiting: number
  /** Batches of this process dropped because too many bytes waited. */
  readonly dropped: number
  /** Batches of other processes that never arrived: dropped there, or lost on the way. */
  readonly lost: number
  /** Batches of other processes that arrived again, and were not relayed again. */
  readonly duplicates: number
  /** Messages in a form that this version does not know. */
  readonly malformed: number
  /** How often a connection was lost and made again. */
  readonly reconnects: number
}

/** The longest message of `tellUnsafe` on any bus, in bytes. */
export const MAX_MESSAGE_BYTES = 65_536

/** The counts of no bus. */
export const NOTHING_EXCHANGED: BusStats = {
  state: "none",
  batchesOut: 0,
  bytesOut: 0,
  batchesIn: 0,
  bytesIn: 0,
  bytesWaiting: 0,
  dropped: 0,
  lost: 0,
  duplicates: 0,
  malformed: 0,
  reconnects: 0
}

/** A process, as other processes know it. */
export interface BusSelf {
  /** Unique among all processes, past and present. */
  readonly id: string
  /** Its name in configuration and log. */
  readonly name: string
}

/** Another process of the room. */
export interface Peer extends BusSelf {
  /** Its clients when it was last heard, about a second ago at most. */
  readonly clients: number
}

/** A client of any process. */
export interface RoomClient extends ClientInfo {
  /** The name of its process. */
  readonly relay: string
}

/** The clients of all processes that have answered. */
export interface RoomClients {
  readonly clients: ReadonlyArray<RoomClient>
  /** Names of processes that did not answer within a second. */
  readonly silent: ReadonlyArray<string>
  /** Clients left out, because a process lists ten thousand at most. */
  readonly omitted: number
}

/** The room across processes. */
export interface WholeRoom {
  /** Whether other processes can be reached, and what was exchanged with them. */
  readonly stats: Effect.Effect<BusStats>
  /** The other processes that are alive. */
  readonly peers: Effect.Effect<ReadonlyArray<Peer>>
  /** The clients of all processes. Waits for the other processes, for a second at most. */
  readonly clients: Effect.Effect<RoomClients>
}

/** The room, as a bus sees it. Called synchronously; from within `publishUnsafe`, only `onSlow`. */
export interface BusRoom {
  /**
   * Whole lines from another process, for all clients of this one.
   *
   * @param release called once their bytes are not needed any more, or never; without it they do not change
   */
  readonly onBatch: (batch: Chunk, release?: () => void) => void
  /** Whether senders here wait for a client. Senders of other processes should then wait, too. */
  readonly hasSlowClients: () => boolean
  /** Calls `go` once they no longer do. */
  readonly onceClientsCaughtUp: (go: () => void) => void
  /**
   * Senders wait, for the stall grace from now on.
   *
   * @param what is slow: a name for the engine, or for a process
   */
  readonly onSlow: (what: string) => void
  /** Senders no longer wait for it. */
  readonly onCaughtUp: (what: string) => void
}

/** Messages between processes, beside the lines of clients. */
export interface BusControl {
  /**
   * A message has arrived.
   *
   * @param from its process; messages of one process arrive in order, or not at all
   */
  readonly onMessage: (message: string, from: string) => void
  /** The other processes can be reached, for the first time or again. Messages sent meanwhile did not arrive. */
  readonly onUp: () => void
}

/**
 * Carries batches between the processes of one room: a line sent to any of them reaches the clients of all, exactly once while the
 * bus is up, in its sender's order.
 *
 * A bus moves bytes. `Broadcaster` decides which senders wait, and `Cluster` which messages processes exchange.
 */
export class Bus extends Context.Service<
  Bus,
  {
    /** This process, as others know it; `undefined`: there is nobody to `tellUnsafe` anything. */
    readonly self: BusSelf | undefined
    /**
     * Hands a batch to all other processes; `undefined`: there are none. Neither waits nor fails: what cannot be sent now is kept within
     * bounds.
     *
     * @param parts whole lines, which make one batch. The room uses their memory again: copy what is kept
     */
    readonly publishUnsafe: ((parts: ReadonlyArray<Chunk>) => void) | undefined
    /** Gives the room the batches of other processes, until the scope ends. */
    readonly joinRoom: (room: BusRoom) => Effect.Effect<void, never, Scope.Scope>
    /**
     * Sends a message to the other processes that can be reached now.
     *
     * @param message at most `maxMessageBytesUnsafe` long, in UTF-8
     * @param to the `id` of one of them; by default all
     */
    readonly tellUnsafe: (message: string, to?: string) => void
    /** The longest message that `tellUnsafe` sends now, in bytes: 900 at least and 64 KiB at most. */
    readonly maxMessageBytesUnsafe: () => number
    /** Receives the messages of other processes, until the scope ends. */
    readonly listen: (control: BusControl) => Effect.Effect<void, never, Scope.Scope>
    /** Its counts so far. */
    readonly stats: Effect.Effect<BusStats>
  }
>()("summoner-server/Bus") {
  /** No other processes. */
  static readonly layerNone = Layer.succeed(Bus, {
    self: undefined,
    publishUnsafe: undefined,
    joinRoom: () => Effect.void,
    tellUnsafe: () => {},
    maxMessageBytesUnsafe: () => MAX_MESSAGE_BYTES,
    listen: () => Effect.void,
    stats: Effect.succeed(NOTHING_EXCHANGED)
  })
}
