import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import { ClientLimits } from "../limits/ClientLimits.ts"
import { Quarantine } from "../limits/Quarantine.ts"
import type { ClientIdentity } from "../net/ClientIdentity.ts"
import * as Notice from "../protocol/Notice.ts"
import type { Connection } from "../room/Connection.ts"
import * as Incidents from "./Incidents.ts"
import { RefusalLog } from "./RefusalLog.ts"
import { ServerStatus } from "./ServerStatus.ts"
import { Session } from "./Session.ts"

/** Why a client is refused, and the notice it gets. */
export interface Refusal {
  readonly incident: Incidents.Incident
  readonly notice: string
}

/** A limit on clients is reached. */
export const FULL: Refusal = { incident: Incidents.SERVER_FULL, notice: Notice.SERVER_FULL }

const DRAINING: Refusal = { incident: Incidents.DRAINING, notice: Notice.SHUTTING_DOWN }

/** Closed while clients have to wait for the server to open. `undefined`: it is open from its start. */
export const Opening = Context.Reference<Latch.Latch | undefined>("summoner-server/Opening", {
  defaultValue: () => undefined
})

/** Decides which clients may come in. Every listener asks it before it allocates anything for a session. */
export interface ConnectionGate {
  /** Done when connections may be received; until then a listener accepts them, and has them wait. `undefined`: from the beginning. */
  readonly opened: Effect.Effect<void> | undefined
  /** Whether a client would be refused now. Takes no place: asked before an expensive handshake. */
  readonly checkUnsafe: (client: ClientIdentity) => Refusal | undefined
  /** Takes a place for a client, which its session gives back, or returns why it is refused. */
  readonly enterUnsafe: (client: ClientIdentity) => Refusal | undefined
  /** Runs the session of a client that has a place. Never fails. */
  readonly session: (connection: Connection) => Effect.Effect<void>
  /** Sends what was relayed in this turn of the event loop now: for transports that tests control. */
  readonly flushUnsafe: () => void
  /** Whether the lines of a client wait for time to pass, or for slow readers: for transports that tests control. */
  readonly isHeldUnsafe: (address: string) => boolean
  /** Counts and logs a refused connection. */
  readonly refusedUnsafe: (ip: string, incident: Incidents.Incident) => void
  /** Clients that have a place. */
  readonly clientsUnsafe: () => number
  /** The most clients in all; `Infinity` for no limit. */
  readonly maxClientsUnsafe: () => number
}

/** The gate of a server, for all its listeners. */
export const ConnectionGate: Context.Service<ConnectionGate, ConnectionGate> = Context.Service(
  "summoner-server/ConnectionGate"
)

/** Refuses clients while the server drains, those in quarantine, and those above the limits. */
export const layer = Layer.effect(
  ConnectionGate,
  Effect.gen(function* () {
    const session = yield* Session
    const status = yield* ServerStatus
    const quarantine = yield* Quarantine
    const limits = yield* ClientLimits
    const { refusedUnsafe } = yield* RefusalLog
    const opening = yield* Opening
    let clients = 0

    const refusalOf = (client: ClientIdentity): Refusal | undefined => {
      if (status.state === "draining") return DRAINING
      const remaining = quarantine.remainingMillisUnsafe(client)
      if (remaining > 0) return { incident: Incidents.QUARANTINED, notice: Notice.quarantined(remaining) }
      return limits.enterUnsafe(client) ? undefined : FULL
    }

    return {
      opened: opening?.await,
      checkUnsafe: (client) => {
        const refusal = refusalOf(client)
        if (refusal === undefined) limits.leaveUnsafe(client)
        return refusal
      },
      enterUnsafe: (client) => {
        const refusal = refusalOf(client)
        if (refusal === undefined) clients++
        return refusal
      },
      session: (connection) =>
        Effect.ensuring(
          session.run(connection),
          Effect.sync(() => {
            clients--
            limits.leaveUnsafe(connection)
          })
        ),
      flushUnsafe: session.flushUnsafe,
      isHeldUnsafe: session.isHeldUnsafe,
      refusedUnsafe,
      clientsUnsafe: () => clients,
      maxClientsUnsafe: limits.maxClientsUnsafe
    }
  })
)
