/** What the primary and its workers tell each other, over their channel. */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Values } from "../config/ServerConfig.ts"
import type { Entry } from "../limits/Quarantine.ts"
import type { BusStats, Peer, RoomClients } from "../room/Bus.ts"
import type { ClientInfo } from "../room/ClientInfo.ts"
import type { Stats } from "../session/ClientRegistry.ts"
import type { BoundAddress, ListenError } from "../session/Listener.ts"
import { ClientNotFound, MessageRejected, QuarantineRejected } from "../session/OperationErrors.ts"
import type { Operations, ServerState } from "../session/Operations.ts"
import type { EventLoopLag } from "../telemetry/EventLoopLag.ts"

// Calls go by name, with arguments or without.
// @effect-diagnostics lazyEffect:off

/** What a worker does for the primary, and what becomes of it. */
export interface Calls {
  readonly clients: () => Effect.Effect<ReadonlyArray<ClientInfo>>
  /** Sends its report now. */
  readonly report: () => Effect.Effect<void>
  readonly drain: () => Effect.Effect<void>
  readonly undrain: () => Effect.Effect<void>
  readonly broadcast: (content: string, from: string | undefined) => Effect.Effect<void, MessageRejected>
  readonly send: Operations["send"]
  readonly disconnect: Operations["disconnect"]
  readonly quarantined: () => Effect.Effect<ReadonlyArray<Entry>>
  readonly quarantine: Operations["quarantine"]["add"]
  readonly lift: Operations["quarantine"]["lift"]
  readonly room: () => Effect.Effect<RoomClients>
}

/** Why a worker may refuse a call. */
export const Rejection = Schema.Union([ClientNotFound, MessageRejected, QuarantineRejected])

/** The streams of `Operations`. */
export type Feed = "changes" | "messages" | "events"

/** What a worker starts with. */
export interface Start {
  readonly _tag: "Start"
  /** Never that of another worker, past or present. */
  readonly id: number
  readonly name: string
  readonly values: Values
  /** Where the sockets are by which workers reach each other. */
  readonly directory: string
  /** Who knows it is a worker of this server. */
  readonly secret: string
  readonly isDraining: boolean
}

export type ToWorker =
  | Start
  /** The workers that others can reach, as they are from now on. */
  | { readonly _tag: "Workers"; readonly ids: ReadonlyArray<number> }
  /** What has become of a `Listen`. */
  | { readonly _tag: "Bound"; readonly key: string; readonly bound: BoundAddress }
  | { readonly _tag: "NotBound"; readonly key: string; readonly error: typeof ListenError.Encoded }
  /** Comes with a socket, unless its client has gone again. */
  | { readonly _tag: "Connection"; readonly key: string; readonly number: number }
  | { readonly _tag: "Reload"; readonly values: Values }
  | {
      readonly _tag: "Ask"
      readonly request: number
      readonly call: keyof Calls
      readonly args: ReadonlyArray<unknown>
    }
  | { readonly _tag: "Watch"; readonly watch: number; readonly feed: Feed }
  | { readonly _tag: "Unwatch"; readonly watch: number }
  | { readonly _tag: "Stop" }

/** What became of a call. */
export type Answer =
  | { readonly _tag: "Success"; readonly value: unknown }
  | { readonly _tag: "Failure"; readonly rejection: typeof Rejection.Encoded }
  | { readonly _tag: "Defect"; readonly message: string }

/** How a worker is, told every second. */
export interface Report {
  readonly _tag: "Report"
  readonly state: ServerState
  readonly stats: Stats
  readonly bus: BusStats
  readonly peers: ReadonlyArray<Peer>
  readonly lag: EventLoopLag
  readonly logLinesDropped: number
  /** Since its start. */
  readonly cpuSeconds: number
  readonly residentBytes: number
}

/** Where clients come. */
export interface Where {
  readonly address: BoundAddress
  readonly webSocketUrl: string | undefined
}

export type ToPrimary =
  /** It hears what it is told. */
  | { readonly _tag: "Online" }
  /** Other workers may dial it. */
  | { readonly _tag: "Reachable" }
  /** It wants connections of a port; it gets them after its first report. */
  | { readonly _tag: "Listen"; readonly key: string; readonly at: BoundAddress }
  /** It has the connection. */
  | { readonly _tag: "Taken"; readonly number: number }
  | { readonly _tag: "Listening"; readonly where: Where }
  /** It cannot start; it ends by itself. */
  | { readonly _tag: "Failed"; readonly detail: string }
  /** `WireLine`s. */
  | { readonly _tag: "Log"; readonly lines: Uint8Array }
  | { readonly _tag: "Answer"; readonly request: number; readonly answer: Answer }
  | { readonly _tag: "Observed"; readonly watch: number; readonly events: ReadonlyArray<object> }
  | Report
