/** What the main thread and its relay threads tell each other. */
import * as Schema from "effect/Schema"
import type { MessagePort } from "node:worker_threads"
import type { SharedRoom } from "../bus/ThreadBus.ts"
import type { WakePort } from "../bus/ThreadSignals.ts"
import type { Values } from "../config/CurrentConfig.ts"
import type { Observed } from "../internal/EventFeed.ts"
import type { Shared } from "../limits/SharedLimits.ts"
import type { LogWire } from "../logging/RelayLogger.ts"
import { BusError, type BusStats, type Peer } from "../room/Bus.ts"
import type { ClientChange, RelayedMessage, RelayEvent, Stats } from "../session/ClientRegistry.ts"
import { type BoundAddress, ListenError } from "../session/Listener.ts"
import type { EventLoopLag } from "../telemetry/EventLoopLag.ts"
import type { Options } from "../telemetry/Telemetry.ts"
import type { Identity } from "../transport/tls/TlsIdentity.ts"
import type { Call } from "./ThreadCalls.ts"

/** What a thread is made with. */
export interface ThreadData {
  /** From 0. */
  readonly index: number
  /** Tells it from the threads before it: other relays know it by that name. */
  readonly incarnation: number
  /** What it exports. */
  readonly telemetry: Options | undefined
  readonly values: Values
  readonly ports: Ports
  readonly identity: Identity | undefined
  readonly limits: Shared
  /** `undefined` where NATS connects the threads. */
  readonly room: SharedRoom | undefined
  /** To the threads that it shares the room with. */
  readonly wakePorts: ReadonlyArray<WakePort>
  /** Of each thread, a count that goes on while it runs: `Int32Array`. */
  readonly beats: SharedArrayBuffer
  /** Not 0 while the server takes no new clients: `Int32Array`. */
  readonly draining: SharedArrayBuffer
  /** Of `AcceptFailures`. */
  readonly acceptFailures: SharedArrayBuffer
  readonly log: LogWire
}

/** Where a thread is to listen; no port is 0. */
export interface Ports {
  readonly port: number
  readonly webSocketPort: number | null
}

/** Where clients come. */
export interface Where {
  readonly address: BoundAddress
  readonly webSocketUrl: string | undefined
}

/** The streams of `Operations`, by name. */
export interface Feeds {
  readonly changes: ClientChange
  readonly messages: RelayedMessage
  readonly events: RelayEvent
}

/** Why a thread may fail to start; others are defects. */
export const StartError = Schema.Union([ListenError, BusError])
export type StartError = typeof StartError.Type

export type ToThread =
  /** To a thread that begins now. */
  | { readonly _tag: "Connect"; readonly wakePort: WakePort }
  /** All threads listen, and the log has said so. */
  | { readonly _tag: "Open" }
  /** The lines that came last are taken: there is room for more. */
  | { readonly _tag: "LogTaken" }
  | Call
  /** Sends what happens by this port, until it closes. */
  | { readonly _tag: "Follow"; readonly feed: keyof Feeds; readonly to: MessagePort }
  | { readonly _tag: "Stop" }

/** Events of a stream. The next ones come once these were confirmed by a message of any kind. */
export type Followed<F extends keyof Feeds> = ReadonlyArray<Observed<Feeds[F]>>

/** How a thread is, told every second. */
export interface Report {
  readonly stats: Stats
  readonly bus: BusStats
  readonly peers: ReadonlyArray<Peer>
  readonly lag: EventLoopLag
  readonly logLinesDropped: number
  /** Of this thread; `undefined` where Node.js does not tell. */
  readonly cpuSeconds: number | undefined
  /** Its heap, and the buffers that are kept alive from there. */
  readonly heapBytes: number
}

export type FromThread =
  /** Its code is loaded. */
  | { readonly _tag: "Loaded" }
  | { readonly _tag: "Listening"; readonly where: Where }
  /** It cannot start, and ends. */
  | { readonly _tag: "Failed"; readonly error: typeof StartError.Encoded }
  /** A defect ends it. */
  | { readonly _tag: "Died"; readonly detail: string }
  /** `WireLine`s. */
  | { readonly _tag: "Log"; readonly lines: Uint8Array }
  | { readonly _tag: "Reported"; readonly report: Report }
