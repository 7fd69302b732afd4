import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Notice from "../protocol/Notice.ts"

/** How a client leaves: each is counted. */
export type DisconnectKind =
  | "left"
  | "lost"
  | "idle"
  | "too slow"
  | "backpressure"
  | "application"
  | "shutdown"
  | "failed"

/** How many clients have left in each way. */
export type DisconnectCounts = { [kind in DisconnectKind]: number }

export const noDisconnects = (): DisconnectCounts => ({
  left: 0,
  lost: 0,
  idle: 0,
  "too slow": 0,
  backpressure: 0,
  application: 0,
  shutdown: 0,
  failed: 0
})

/** Why a session ends. */
export interface DisconnectReason {
  readonly kind: DisconnectKind
  /** In the log. */
  readonly reason: string
  /** The last line that the client gets. */
  readonly notice: string | undefined
  readonly severity: "Info" | "Warn"
  readonly quarantine?: boolean
  /** Whether the host program has worded the notice, so that the profile does not replace it. */
  readonly isWorded?: boolean
}

export const LEFT: DisconnectReason = {
  kind: "left",
  reason: "closed by the client",
  notice: undefined,
  severity: "Info"
}
export const SHUTDOWN: DisconnectReason = {
  kind: "shutdown",
  reason: "server shutdown",
  notice: Notice.SHUTTING_DOWN,
  severity: "Info"
}
export const FAILED: DisconnectReason = {
  kind: "failed",
  reason: "internal error",
  notice: undefined,
  severity: "Warn"
}
export const IDLE: DisconnectReason = {
  kind: "idle",
  reason: "idle for too long",
  notice: Notice.IDLE,
  severity: "Warn"
}
export const TOO_SLOW: DisconnectReason = {
  kind: "too slow",
  reason: "reading too slowly",
  notice: Notice.TOO_SLOW,
  severity: "Warn"
}

/** The room is too large for what the client sends. */
export const backpressure = (quarantine: boolean): DisconnectReason => ({
  kind: "backpressure",
  reason: `force-disconnected${quarantine ? " and quarantined" : ""}: backpressure`,
  notice: Notice.BACKPRESSURE,
  severity: "Warn",
  quarantine
})

/**
 * The peer vanished.
 *
 * @param code the system's error code
 * @param unfinishedBytes of a line without its end, which does not count
 */
export const lost = (code: string, unfinishedBytes: number): DisconnectReason => ({
  kind: "lost",
  reason: unfinishedBytes === 0 ? code : `${code}; ${unfinishedBytes} bytes of an unfinished line were discarded`,
  notice: undefined,
  severity: "Info"
})

/** How the host program ends a client. */
export interface DisconnectOptions {
  readonly notice?: string | undefined
  readonly quarantine?: boolean | undefined
}

/**
 * The host program does not want the client any more.
 *
 * @param isKeepingOut whether clients that are disconnected now can be quarantined
 */
export const byApplication = (
  { notice, quarantine: isWanted = false }: DisconnectOptions,
  isKeepingOut: boolean
): DisconnectReason => {
  const quarantine = isWanted && isKeepingOut
  return {
    kind: "application",
    reason: `disconnected by the application${quarantine ? " and quarantined" : ""}`,
    notice: notice === undefined ? Notice.DISCONNECTED : Notice.fromText(notice),
    severity: "Info",
    quarantine,
    isWorded: notice !== undefined
  }
}

/** The host program held the client outside the room, and did not admit it in time. */
export const notAdmitted = (notice: string | undefined): DisconnectReason => ({
  kind: "application",
  reason: "not admitted in time",
  notice: notice === undefined ? Notice.DISCONNECTED : Notice.fromText(notice),
  severity: "Info",
  isWorded: notice !== undefined
})

/** How a session has ended. An interruption without another reason comes from the shutdown of the server. */
export const ofExit = (exit: Exit.Exit<DisconnectReason>): DisconnectReason => {
  if (Exit.isSuccess(exit)) return exit.value
  return Cause.hasInterruptsOnly(exit.cause) ? SHUTDOWN : FAILED
}
