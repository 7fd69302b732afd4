/** A client's connection as a span, from its arrival to the closed socket. Costs nothing per message or read. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import type { ClientInfo } from "../room/ClientInfo.ts"
import type { Connection } from "../room/Connection.ts"
import { type DisconnectReason, FAILED } from "../room/DisconnectReason.ts"
import type { Incident } from "./Incidents.ts"

/** Events that a span may have: a connection may last for weeks. */
const MAX_EVENTS = 128

export class ConnectionSpan {
  readonly #span: Tracer.Span
  readonly #clock: Clock.Clock
  #events = 0

  constructor(span: Tracer.Span, clock: Clock.Clock) {
    this.#span = span
    this.#clock = clock
  }

  /** Adds an event for an incident that is logged. */
  readonly incident = (incident: Incident, times: number): void => {
    if (++this.#events > MAX_EVENTS) return
    this.#span.event(incident.text, this.#clock.currentTimeNanosUnsafe(), { count: times })
  }

  /** Makes the span the parent of an effect's logs and spans. */
  within<A>(effect: Effect.Effect<A>): Effect.Effect<A> {
    return Effect.provideService(effect, Tracer.ParentSpan, this.#span)
  }

  /** Ends the span; the first end counts. */
  end(info: ClientInfo | undefined, disconnectReason: DisconnectReason, exit: Exit.Exit<unknown>): void {
    const span = this.#span
    if (span.status._tag === "Ended") return
    span.attribute("summoner.disconnect.reason", disconnectReason.reason)
    if (info !== undefined) {
      span.attribute("summoner.lines.received", info.linesIn)
      span.attribute("summoner.lines.sent", info.linesOut)
      span.attribute("summoner.bytes.received", info.bytesIn)
      span.attribute("summoner.bytes.sent", info.bytesOut)
    }
    if (this.#events > MAX_EVENTS) span.attribute("summoner.events.dropped", this.#events - MAX_EVENTS)
    span.end(this.#clock.currentTimeNanosUnsafe(), outcome(disconnectReason, exit))
  }
}

const outcome = (disconnectReason: DisconnectReason, exit: Exit.Exit<unknown>): Exit.Exit<unknown, unknown> => {
  if (disconnectReason.severity !== "Warn") return Exit.void
  if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) return exit
  return Exit.fail({ name: "Disconnected", message: disconnectReason.reason })
}

/** Runs the session of a connection within a span of its own. */
export type Trace = <A>(connection: Connection, session: (span: ConnectionSpan) => Effect.Effect<A>) => Effect.Effect<A>

/** Traces connections; `undefined` without a tracer, so that it costs nothing. */
export const make: Effect.Effect<Trace | undefined> = Effect.gen(function* () {
  if ((yield* Tracer.Tracer) === Tracer.nativeTracer || !(yield* References.TracerEnabled)) return undefined
  const clock = yield* Clock.Clock
  return (connection, session) => {
    const { address, ip, transport } = connection
    const attributes = {
      "client.address": ip,
      "client.port": Number(address.slice(address.lastIndexOf(":") + 1)),
      "network.transport": "tcp",
      ...(transport !== "tcp" && { "network.protocol.name": transport })
    }
    // A trace of its own: the span that started the server ended long ago.
    return Effect.flatMap(Effect.makeSpan("connection", { root: true, kind: "server", attributes }), (span) => {
      const traced = new ConnectionSpan(span, clock)
      // The session itself ends it, unless it fails to.
      return Effect.onExit(traced.within(session(traced)), (exit) =>
        Effect.sync(() => traced.end(undefined, FAILED, exit))
      )
    })
  }
})
