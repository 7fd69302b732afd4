import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { ClientInfo } from "./ClientInfo.ts"
import type { Chunk } from "./Outbox.ts"

export type { Chunk } from "./Outbox.ts"

/** What carries the room to other processes cannot be used as configured, or is not there and was not to be waited for. */
export class BusError extends Schema.TaggedError<BusError>()("BusError", {
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/** Whether the other processes can be reached. `none`: there is nothing that could reach them. */
export type BusState = "none" | "up" | "down"

/** What a bus has done since it was started. Batches are counted as their senders published them. */
export interface BusStats {
  readonly state: BusState
  readonly batchesOut: number
  /** Of envelopes, however often they were sent. */
  readonly bytesOut: number
  readonly batchesIn: number
  readonly bytesIn: number
  /** Bytes that wait for the engine, or for its confirmation. */
  readonly bytesWaiting: number
  /** Batches of this process that were dropped because too many bytes waited. */
  readonly dropped: number
  /** Batches of others that never arrived here: theirs that were dropped, and what got lost on the way. */
  readonly lost: number
  /** Batches of others that arrived again, and were not relayed again. */
  readonly duplicates: number
  /** Messages that were not in the form of this version. */
  readonly malformed: number
  /** How often a connection was lost and made again. */
  readonly reconnects: number
}

/** What a bus has done that has nobody to exchange anything with. */
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

/** A process, as the others know it. */
export interface BusSelf {
  /** Tells it from every other process, past or present. */
  readonly id: string
  /** What its operator calls it. */
  readonly name: string
  /** Whether somebody else logs which processes come and go. */
  readonly isSupervised?: boolean
}

/** Another process of the room. */
export interface Peer extends BusSelf {
  /** Clients that it had when it was last heard, at most a second or so ago. */
  readonly clients: number
}

/** A client of any process. */
export interface RoomClient extends ClientInfo {
  /** The name of the process that it is connected to. */
  readonly relay: string
}

/** Everybody in the room, as far as the others have answered. */
export interface RoomClients {
  readonly clients: ReadonlyArray<RoomClient>
  /** Names of processes that did not answer within a second. */
  readonly silent: ReadonlyArray<string>
  /** Clients that were left out, because a process lists ten thousand. */
  readonly omitted: number
}

/** The room across processes. */
export interface WholeRoom {
  /** Whether other processes can be reached, and what has been exchanged with them. */
  readonly stats: Effect.Effect<BusStats>
  /** The other processes that are there. */
  readonly peers: Effect.Effect<ReadonlyArray<Peer>>
  /** Everybody in the room, whichever process they are connected to. Waits for the other processes, for a second at most. */
  readonly clients: Effect.Effect<RoomClients>
}

/** The room, as a bus sees it. Called synchronously, but from within `publishUnsafe` only `onSlow`. */
export interface BusRoom {
  /** Whole lines from another process: for everybody here. */
  readonly onBatch: (batch: Chunk) => void
  /** Whether senders here wait for a client. Then those of other processes should, too. */
  readonly hasSlowClients: () => boolean
  /** Calls `go` once that is not so any more. */
  readonly onceClientsCaughtUp: (go: () => void) => void
  /**
   * Senders should wait, for the grace from now on.
   *
   * @param what is slow, by any name: the engine, or a process
   */
  readonly onSlow: (what: string) => void
  /** They need not wait for it any more. */
  readonly onCaughtUp: (what: string) => void
}

/** What processes tell each other beside the lines of clients. */
export interface BusControl {
  /**
   * Somebody has told something.
   *
   * @param from the process that it comes from; messages of one process arrive in order, or not at all
   */
  readonly onMessage: (message: string, from: string) => void
  /** The others can be reached, for the first time or again: what was told meanwhile did not arrive. */
  readonly onUp: () => void
}

/**
 * Carries batches between the processes of one room: a line sent to any of them reaches the clients of all, exactly once while the
 * bus is up, in its sender's order.
 *
 * A bus moves bytes. Who has to wait, what is told to whom and who is in the room is decided elsewhere: `Broadcaster` and `Cluster`.
 */
export class Bus extends Context.Service<
  Bus,
  {
    /** This process, as others know it; `undefined`: there is nobody to `tellUnsafe` anything. */
    readonly self: BusSelf | undefined
    /**
     * Hands a batch to all other processes. Neither waits nor fails: what cannot be sent now is kept within bounds.
     *
     * @param parts whole lines, which are one batch; their bytes must not change any more
     */
    readonly publishUnsafe: (parts: ReadonlyArray<Chunk>) => void
    /** Gives the room what comes from other processes, until the scope ends. */
    readonly joinRoom: (room: BusRoom) => Effect.Effect<void, never, Scope.Scope>
    /**
     * Tells other processes something, as far as they can be reached now.
     *
     * @param message at most 64 KiB
     * @param to one of them; all, if it is left out
     */
    readonly tellUnsafe: (message: string, to?: string) => void
    /** Gets what others tell, until the scope ends. */
    readonly listen: (control: BusControl) => Effect.Effect<void, never, Scope.Scope>
    /** What it has done so far. */
    readonly statsUnsafe: () => BusStats
  }
>()("summoner-server/Bus") {
  /** One process is the whole room. */
  static readonly layerNone = Layer.succeed(Bus, {
    self: undefined,
    publishUnsafe: () => {},
    joinRoom: () => Effect.void,
    tellUnsafe: () => {},
    listen: () => Effect.void,
    statsUnsafe: () => NOTHING_EXCHANGED
  })
}
