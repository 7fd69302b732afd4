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

const ended = (
  kind: DisconnectKind,
  reason: string,
  severity: DisconnectReason["severity"],
  notice?: string
): DisconnectReason => ({ kind, reason, severity, notice })

export const LEFT = ended("left", "closed by the client", "Info")
export const SHUTDOWN = ended("shutdown", "server shutdown", "Info", Notice.SHUTTING_DOWN)
export const FAILED = ended("failed", "internal error", "Warn")
export const IDLE = ended("idle", "idle for too long", "Warn", Notice.IDLE)
export const UNANSWERED = ended("application", "the message filter did not answer", "Warn", Notice.DISCONNECTED)
export const TOO_SLOW = ended("too slow", "reading too slowly", "Warn", Notice.TOO_SLOW)

/** The room is too large for what the client sends. */
export const backpressure = (quarantine: boolean): DisconnectReason => ({
  kind: "backpressure",
  reason: `force-disconnected${quarantine ? " and quarantined" : ""}: backpressure`,
  notice: Notice.BACKPRESSURE,
  severity: "Warn",
  quarantine
})

/** The peer vanished. `code`: the system's error code. `unfinishedBytes`: of a line without its end, which does not count. */
export const lost = (code: string, unfinishedBytes: number): DisconnectReason => {
  const rest = unfinishedBytes === 0 ? "" : `; ${unfinishedBytes} bytes of an unfinished line were discarded`
  return ended("lost", code + rest, "Info")
}

/** How the host program ends a client. */
export interface DisconnectOptions {
  /** The last line that it gets. */
  readonly notice?: string | undefined
  /** Whether it is quarantined for `quarantine_cooldown_secs`. */
  readonly quarantine?: boolean | undefined
}

/** The host program does not want the client any more. `isKeepingOut`: whether clients that are disconnected now can be quarantined. */
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
  ...byApplication({ notice }, false),
  reason: "not admitted in time"
})

/** How a session has ended. An interruption without another reason comes from the shutdown of the server. */
export const ofExit = (exit: Exit.Exit<DisconnectReason>): DisconnectReason => {
  if (Exit.isSuccess(exit)) return exit.value
  return Cause.hasInterruptsOnly(exit.cause) ? SHUTDOWN : FAILED
}
