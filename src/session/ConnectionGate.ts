import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Arriving, ClientLimits } from "../limits/ClientLimits.ts"
import { Quarantine, type Suspect } from "../limits/Quarantine.ts"
import * as Notice from "../protocol/Notice.ts"
import type { Connection } from "../room/Connection.ts"
import type * as Incidents from "./Incidents.ts"
import { RefusalLog } from "./RefusalLog.ts"
import { ServerStatus } from "./ServerStatus.ts"
import { Session } from "./Session.ts"

/** Why a client may not come in, and what it is told. */
export interface Refusal {
  readonly incident: Incidents.Incident
  readonly notice: string
}

/** There is no place left. */
export const FULL: Refusal = { incident: "server full", notice: Notice.SERVER_FULL }

/** The server takes nobody new. */
const DRAINING: Refusal = { incident: "draining", notice: Notice.SHUTTING_DOWN }

/** Who may come in: what every listener asks before anything is allocated for a session. */
export interface ConnectionGate {
  /** Why a client could not come in now, if it could not. It gets no place: for those who do not deserve a handshake. */
  readonly checkUnsafe: (client: Suspect & Arriving) => Refusal | undefined
  /** Gives a client a place, which its session gives back; or says why not. */
  readonly enterUnsafe: (client: Suspect & Arriving) => Refusal | undefined
  /** The session of a client that has a place, to the end. Never fails. */
  readonly session: (connection: Connection) => Effect.Effect<void>
  /** Counts, and tells the log, that somebody was refused. */
  readonly refusedUnsafe: (ip: string, incident: Incidents.Incident) => void
  /** How many have a place. */
  readonly clientsUnsafe: () => number
  /** The most clients in all; `Infinity` for no limit. */
  readonly maxClientsUnsafe: () => number
}

/** The gate of a server, for all its listeners. */
export const ConnectionGate: Context.Service<ConnectionGate, ConnectionGate> = Context.Service(
  "summoner-server/ConnectionGate"
)

/** Refuses while the server drains, whoever is in quarantine, and above the limits on clients. */
export const layer = Layer.effect(
  ConnectionGate,
  Effect.gen(function* () {
    const session = yield* Session
    const status = yield* ServerStatus
    const quarantine = yield* Quarantine
    const limits = yield* ClientLimits
    const { refusedUnsafe } = yield* RefusalLog
    let clients = 0

    const refusalOf = (client: Suspect & Arriving): Refusal | undefined => {
      if (status.state === "draining") return DRAINING
      const remaining = quarantine.remainingMillisUnsafe(client)
      if (remaining > 0) return { incident: "quarantined", notice: Notice.quarantined(remaining) }
      return limits.enterUnsafe(client) ? undefined : FULL
    }

    return {
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
      refusedUnsafe,
      clientsUnsafe: () => clients,
      maxClientsUnsafe: limits.maxClientsUnsafe
    }
  })
)
