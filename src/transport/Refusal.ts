/** How a connection ends that does not become a client. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { Incident } from "../session/Incidents.ts"

/** It may not become one. */
export class ConnectionRefused extends Data.TaggedError("ConnectionRefused")<{
  readonly incident: Incident
}> {
  override get message() {
    return this.incident.text
  }
}

/** It has ended before it said anything, as those of monitors do. */
export class PeerGone extends Data.TaggedError("PeerGone") {}

export const refused = (incident: Incident): Effect.Effect<never, ConnectionRefused> =>
  Effect.fail(new ConnectionRefused({ incident }))

export const GONE: Effect.Effect<never, PeerGone> = Effect.fail(new PeerGone())
