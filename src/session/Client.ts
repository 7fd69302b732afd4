import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { Verdict } from "../limits/Backpressure.ts"
import type { Watched } from "../limits/IdleTimeout.ts"
import type { RateBudget } from "../limits/RateLimiter.ts"
import * as Fields from "../logging/Fields.ts"
import type { ClientIdentity } from "../net/ClientIdentity.ts"
import * as Envelope from "../protocol/Envelope.ts"
import { LineFraming } from "../protocol/LineFraming.ts"
import type { ClientInfo, ClientState } from "../room/ClientInfo.ts"
import type { Connection } from "../room/Connection.ts"
import { type DisconnectReason, IDLE } from "../room/DisconnectReason.ts"
import type { Member } from "../room/Room.ts"
import type { ConnectionSpan } from "./ConnectionSpan.ts"
import { IncidentLog } from "./IncidentLog.ts"
import { type Incident, NOTICES_DROPPED, type Totals } from "./Incidents.ts"
import type { Gate } from "./MessageFilter.ts"
import { RejectedLines } from "./RejectedLines.ts"

/** Why a client is not read for now. `admission`: the host program decides on a line. */
export type Hold = "congested" | "admission" | Exclude<Verdict, "pass" | "disconnect">

const STATES: { readonly [reason in Hold]: ClientState } = {
  throttle: "throttled",
  flow_control: "paused",
  congested: "waiting",
  admission: "waiting"
}

/** The state of one client, from its arrival to the closed socket. */
export class Client implements Watched {
  readonly connection: Connection
  readonly budget: RateBudget
  readonly incidents: IncidentLog
  readonly connectedMillis: number
  /** If the server is traced. */
  readonly span: ConnectionSpan | undefined
  readonly member: Member
  readonly framing: LineFraming
  lastLine: number
  /** Whether it hears the others, and they hear it. A client with a gate is outside until it is admitted. */
  isInRoom = false
  /** `undefined`: it is read. */
  hold: Hold | undefined
  /** It did not catch up within the stall grace: senders no longer wait for it. */
  isStalled = false
  /** When the connection was first found closed while lines were left, in milliseconds of the monotonic clock. */
  goneMillis: number | undefined
  /** Decides on its lines, if the host program has a `MessageFilter`. */
  gate: Gate | undefined
  /** What the `MessageFilter` knows it as. */
  sender: ClientIdentity | undefined
  linesIn = 0
  bytesIn = 0
  /**
   * Its last line was rejected, or held it: the next is looked at by itself. Of a flood, most lines would else be encoded for nothing,
   * again and again.
   */
  isHeldUp = false
  readonly rejectedLines = new RejectedLines()
  disconnectReason: DisconnectReason | undefined

  readonly #fiber: Fiber.Fiber<unknown, unknown>

  /**
   * @param options `nowMillis`: of the monotonic clock; `connectedMillis`: the time of day; `span`: of the connection, if it is
   *   traced; `maxLineBytes`: the longest envelope; `member`: makes the member of the room that it is; `fiber`: runs the session
   */
  constructor(options: {
    readonly connection: Connection
    readonly budget: RateBudget
    readonly totals: Totals
    readonly nowMillis: number
    readonly connectedMillis: number
    readonly span: ConnectionSpan | undefined
    readonly maxLineBytes: number
    readonly member: (client: Client) => Member
    readonly fiber: Fiber.Fiber<unknown, unknown>
  }) {
    this.connection = options.connection
    this.budget = options.budget
    this.incidents = new IncidentLog(options.totals)
    this.lastLine = options.nowMillis
    this.connectedMillis = options.connectedMillis
    this.span = options.span
    this.#fiber = options.fiber
    this.member = options.member(this)
    this.framing = new LineFraming(options.maxLineBytes - this.member.prefix.length - Envelope.SUFFIX_BYTES)
  }

  get info(): ClientInfo {
    const { outbox } = this.member
    const { address, ip, subject, transport } = this.connection
    return {
      address,
      ip,
      transport,
      ...(subject !== undefined && { subject }),
      connectedSince: new Date(this.connectedMillis),
      linesIn: this.linesIn,
      linesOut: outbox.sentMessages,
      bytesIn: this.bytesIn,
      bytesOut: outbox.sentBytes,
      bytesWaiting: outbox.waitingBytes,
      state: this.#state
    }
  }

  get #state(): ClientState {
    if (!this.isInRoom) return "pending"
    if (this.isStalled) return "slow"
    return this.hold === undefined ? "active" : STATES[this.hold]
  }

  lastLineMillis(): number | undefined {
    // A client that the server does not read is not idle. But a gate that never answers must not keep it for ever.
    return this.hold === undefined || this.hold === "admission" ? this.lastLine : undefined
  }

  onIdle(): void {
    this.disconnect(IDLE)
  }

  /** Sends the client a notice, `times` times. Returns how many were not sent, because the client does not read. */
  notify(notice: string, times = 1): number {
    const unsent = this.member.outbox.notify(notice, times)
    if (unsent > 0) this.incidents.count(NOTICES_DROPPED, unsent)
    return unsent
  }

  /** Counts an incident, and logs it unless it has to wait for the next line about its kind. `nowMillis`: of the monotonic clock. */
  note(incident: Incident, times: number, nowMillis: number): Effect.Effect<void> {
    this.incidents.count(incident, times)
    return this.report(nowMillis)
  }

  /** Logs the incidents since the last line about each kind; all of them, if `nowMillis` is `Infinity`. */
  report(nowMillis: number): Effect.Effect<void> {
    const fields: Fields.Fields = {}
    const lines = this.incidents.report(nowMillis, (incident, times) => {
      this.span?.incident(incident, times)
      fields[`summoner.incident.${incident.code}`] = times
    })
    if (lines.length === 0) return Effect.void
    const log = Effect.logWarning(`${this.connection.address} ${lines.join(", ")}`)
    return Effect.annotateLogs(log, { ...Fields.ofClient(this.connection), ...fields })
  }

  /** Ends the session from outside. The first reason counts. */
  disconnect(reason: DisconnectReason): void {
    if (this.disconnectReason !== undefined) return
    this.disconnectReason = reason
    this.#fiber.interruptUnsafe()
  }
}
