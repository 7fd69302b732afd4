import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { formatAddress } from "../net/IpAddress.ts"
import type { ConnectionGate } from "./ConnectionGate.ts"

export type { ConnectionGate, Refusal } from "./ConnectionGate.ts"
export { type Affected, define as defineIncident, type Incident } from "./Incidents.ts"

/** The server cannot listen where it is configured to. */
export class ListenError extends Schema.TaggedError<ListenError>()("ListenError", {
  host: Schema.String,
  port: Schema.Int,
  /** The system's error code, such as `EADDRINUSE`. */
  code: Schema.String,
  /** The key that configures the port, if it is not `port`: `admin.port`. */
  key: Schema.optionalKey(Schema.String)
}) {
  override get message() {
    const reason = REASONS[this.code]
    const explained = reason === undefined ? this.code : `${reason} (${this.code})`
    const key = this.key === undefined ? "" : ` (${this.key})`
    return `cannot listen on ${formatAddress(this.host, this.port)}${key}: ${explained}`
  }
}

const REASONS: Record<string, string> = {
  EADDRINUSE: "the port is already in use",
  EADDRNOTAVAIL: "no network interface of this machine has that address",
  EACCES: "not allowed; ports below 1024 need extra rights",
  ENOTFOUND: "there is no such host name",
  EAI_AGAIN: "the host name cannot be looked up now",
  EMFILE: "too many open files",
  ERR_MODULE_NOT_FOUND: "the package @effect/platform-node is missing: npm install @effect/platform-node"
}

/** Where the server listens. */
export interface BoundAddress {
  readonly host: string
  readonly port: number
}

/** A transport. Everything behind it is the same for all transports. */
export class Listener extends Context.Service<
  Listener,
  {
    /**
     * Listens, and runs `gate.session` for each client that the gate lets in, until the scope ends. Then it accepts no more,
     * interrupts the sessions and waits for them.
     */
    readonly listen: (gate: ConnectionGate) => Effect.Effect<BoundAddress, ListenError, Scope.Scope>
  }
>()("summoner-server/Listener") {}
