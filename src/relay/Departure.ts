import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Notice from "./Notice.ts"

/** Why a session ends. */
export interface Departure {
  /** For the log. */
  readonly reason: string
  /** The last line the client gets. */
  readonly notice: string | undefined
  readonly severity: "Info" | "Warn"
  readonly quarantine?: boolean
  /** The host program has worded the notice: no profile has another one. */
  readonly isWorded?: boolean
}

export const LEFT: Departure = { reason: "closed by the client", notice: undefined, severity: "Info" }
export const SHUTDOWN: Departure = { reason: "server shutdown", notice: Notice.SHUTTING_DOWN, severity: "Info" }
export const FAILED: Departure = { reason: "internal error", notice: undefined, severity: "Warn" }
export const IDLE: Departure = { reason: "idle for too long", notice: Notice.IDLE, severity: "Warn" }
export const TOO_SLOW: Departure = { reason: "reading too slowly", notice: Notice.TOO_SLOW, severity: "Warn" }
export const BACKPRESSURE: Departure = {
  reason: "force-disconnected and quarantined: backpressure",
  notice: Notice.BACKPRESSURE,
  severity: "Warn",
  quarantine: true
}

/**
 * The peer vanished.
 *
 * @param code the system's error code
 */
export const lost = (code: string): Departure => ({ reason: code, notice: undefined, severity: "Info" })

/** The host program does not want the client any more. */
export const dismissal = (notice: string | undefined, quarantine: boolean): Departure => ({
  reason: `disconnected by the application${quarantine ? " and quarantined" : ""}`,
  notice: notice === undefined ? Notice.DISCONNECTED : Notice.fromText(notice),
  severity: "Info",
  quarantine,
  isWorded: notice !== undefined
})

/** How a session has ended by itself. An interruption that nobody gave a reason for comes from the end of the server. */
export const ofExit = (exit: Exit.Exit<Departure>): Departure => {
  if (Exit.isSuccess(exit)) return exit.value
  return Cause.hasInterruptsOnly(exit.cause) ? SHUTDOWN : FAILED
}
