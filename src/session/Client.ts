import type * as Fiber from "effect/Fiber"
import type { Verdict } from "../limits/Backpressure.ts"
import type { Watched } from "../limits/IdleTimeout.ts"
import type { RateBudget } from "../limits/RateLimiter.ts"
import type { LineFraming } from "../protocol/LineFraming.ts"
import type { ClientInfo, ClientState } from "../room/ClientInfo.ts"
import type { Connection } from "../room/Connection.ts"
import { type DisconnectReason, IDLE } from "../room/DisconnectReason.ts"
import type { Member } from "../room/Room.ts"
import type { ConnectionSpan } from "./ConnectionSpan.ts"
import { IncidentLog, NOTICES_DROPPED, type Totals } from "./Incidents.ts"
import type { Gate } from "./MessageFilter.ts"
import { RejectedLines } from "./RejectedLines.ts"

/** Why the server does not read a client for now. `admission`: the host program decides on a line. */
export type Hold = "congested" | "admission" | Exclude<Verdict, "pass" | "disconnect">

const STATES: { readonly [reason in Hold]: ClientState } = {
  throttle: "throttled",
  flow_control: "paused",
  congested: "waiting",
  admission: "waiting"
}

/** One client's state, from its arrival to the closed socket. */
export class Client implements Watched {
  readonly connection: Connection
  readonly budget: RateBudget
  readonly incidents: IncidentLog
  readonly connectedMillis: number
  /** Where somebody traces the server. */
  readonly span: ConnectionSpan | undefined
  framing!: LineFraming
  member!: Member
  lastLine: number
  /** Why the client is not read. */
  hold: Hold | undefined
  /** It was given up: it has not caught up within the stall grace. */
  isStalled = false
  /** When it was first seen that the connection is gone, in milliseconds, although lines are left. */
  goneMillis: number | undefined
  /** Where the host program decides on its lines. */
  gate: Gate | undefined
  linesIn = 0
  bytesIn = 0
  readonly rejectedLines = new RejectedLines()
  disconnectReason: DisconnectReason | undefined

  readonly #fiber: Fiber.Fiber<unknown, unknown>

  /**
   * @param nowMillis of the monotonic clock
   * @param connectedMillis the time of day, in milliseconds
   * @param span of the connection, if it is traced
   * @param fiber runs the session
   */
  constructor(options: {
    readonly connection: Connection
    readonly budget: RateBudget
    readonly totals: Totals
    readonly nowMillis: number
    readonly connectedMillis: number
    readonly span: ConnectionSpan | undefined
    readonly fiber: Fiber.Fiber<unknown, unknown>
  }) {
    this.connection = options.connection
    this.budget = options.budget
    this.incidents = new IncidentLog(options.totals)
    this.lastLine = options.nowMillis
    this.connectedMillis = options.connectedMillis
    this.span = options.span
    this.#fiber = options.fiber
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
      state: this.isStalled ? "slow" : this.hold === undefined ? "active" : STATES[this.hold]
    }
  }

  lastLineMillis(): number | undefined {
    // While the server itself holds it back, its silence is not its own. A gate that never answers holds nobody for ever.
    return this.hold === undefined || this.hold === "admission" ? this.lastLine : undefined
  }

  onIdle(): void {
    this.disconnect(IDLE)
  }

  /**
   * Sends the client a notice, `times` over.
   *
   * @returns how often it was not told, because it does not read
   */
  notify(notice: string, times = 1): number {
    const untold = this.member.outbox.notify(notice, times)
    if (untold > 0) this.incidents.count(NOTICES_DROPPED, untold)
    return untold
  }

  /** Ends the session from outside. The first reason counts. */
  disconnect(departure: DisconnectReason): void {
    if (this.disconnectReason !== undefined) return
    this.disconnectReason = departure
    this.#fiber.interruptUnsafe()
  }
}
