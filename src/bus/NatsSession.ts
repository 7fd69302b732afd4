import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { setImmediate as endOfTurn } from "node:timers/promises"
import { BusError } from "../room/Bus.ts"
import * as Nats from "./NatsConnection.ts"
import { UNREAD_MESSAGES } from "./Outbound.ts"

/** An empty message, published to find out whether that is allowed. Receivers ignore it. */
const PROBE = new Uint8Array()

/** NATS reads numbers of nine digits. At a longer one it ends the subscription. */
const MAX_MESSAGES = 999_999_999

/** A connection on which NATS allows everything that a relay does. */
export interface NatsSession {
  /** `host:port` */
  readonly server: string
  /** The longest message that the server takes, in bytes. */
  readonly maxMessageBytes: number
  /** What its settings cost the room. */
  readonly advice: ReadonlyArray<string>
  readonly publish: (subject: string, message: Uint8Array) => void
  /** Resolves once the server has everything that was published so far. Rejects if the connection is lost before. */
  readonly flush: () => Promise<void>
  /** Done when the connection has ended, or its server has asked clients to leave, or `leave` was called. */
  readonly over: Effect.Effect<void>
  /** Has another session take the place of this one, which stays until then: `over` is done. */
  readonly leave: () => void
  readonly close: () => Promise<void>
}

/** What happens on a connection. Called synchronously. */
export interface SessionEvents {
  /** The connection is of no use any more. Only after `open` has succeeded, and once. */
  readonly onLost: (why: string) => void
  /** NATS has reported a problem that does not end the connection. */
  readonly onWarning: (reason: string) => void
  /** NATS had ended a subscription, because `UNREAD_MESSAGES` were unread. There is a new one; messages between them are missing. */
  readonly onCut: () => void
  /** NATS has named servers of its cluster, as `host:port`. */
  readonly onServers: (server: string, named: ReadonlyArray<string>) => void
  /** Logs a defect in handling or sending a message. */
  readonly report: (message: string, defect: unknown) => void
}

/**
 * Subscribes on a connection, and checks that its server allows publishing and subscribing to all subjects. NATS reports a denial only on an
 * attempt, and never that it has been lifted, so a session that is denied something is closed.
 *
 * @param subscriptions handlers of messages by subject
 * @param answerMillis time for the server to answer the check, in milliseconds
 * @returns fails with `BusError` if NATS denies something or does not answer in time; the connection is then closed
 */
export const open = (
  connection: Nats.NatsConnection,
  subscriptions: Readonly<Record<string, (message: Uint8Array) => void>>,
  answerMillis: number,
  events: SessionEvents
): Effect.Effect<NatsSession, BusError> => {
  const server = connection.getServer()
  const denied = new Set<string>()
  const denial = () => `NATS at ${server} does not let this relay ${[...denied].join(", ")}`
  const over = Deferred.makeUnsafe<void>()
  let isOpen = false
  let lost: string | undefined

  const lose = (why: string) => {
    if (lost !== undefined) return
    lost = why
    void connection.close()
    if (isOpen) events.onLost(why)
    Deferred.doneUnsafe(over, Exit.void)
  }

  const publish = (subject: string, message: Uint8Array) => {
    try {
      connection.publish(subject, message)
    } catch (defect) {
      // A closed connection refuses messages; its end is reported by its status.
      if (!connection.isClosed()) events.report("bus: a message for the other relays was refused", defect)
    }
  }

  /** Subscribes for `UNREAD_MESSAGES`, and for so many more whenever half of them are handled. */
  const subscribe = (subject: string, handle: (message: Uint8Array) => void): void => {
    let end = UNREAD_MESSAGES
    const subscription = connection.subscribe(subject, {
      max: end,
      callback: (error, { data }) => {
        // A denial, which is among the statuses, too.
        if (error !== null) return
        try {
          if (subscription.getReceived() >= end - UNREAD_MESSAGES / 2) extend()
          if (data.length > PROBE.length) handle(data)
        } catch (defect) {
          // Thrown into the client library, it would silently end the connection's reader.
          events.report("bus: a message of another relay could not be handled", defect)
        }
      }
    })
    const replace = () => {
      subscription.unsubscribe()
      subscribe(subject, handle)
    }
    const extend = () => {
      const before = end
      end = subscription.getReceived() + UNREAD_MESSAGES
      if (end > MAX_MESSAGES) return replace()
      subscription.unsubscribe(end)
      // NATS does not say that it has ended the subscription before; but it has then sent exactly so many messages before this answer.
      const onAnswer = () => {
        if (subscription.getReceived() !== before || connection.isClosed()) return
        replace()
        events.onCut()
      }
      // If the connection is lost before, its status says so.
      connection.flush().then(onAnswer, () => {})
    }
  }

  const followStatus = async () => {
    for await (const status of connection.status()) {
      switch (status.type) {
        case "disconnect":
          lose(`connection to NATS at ${server} lost`)
          break
        case "staleConnection":
          lose("NATS does not answer any more")
          break
        case "update":
          events.onServers(server, status.added ?? [])
          break
        case "ldm":
          Deferred.doneUnsafe(over, Exit.void)
          break
        case "error": {
          const operation = Nats.denialOf(status.error)
          if (operation !== undefined) {
            denied.add(operation)
            // A permission was taken away.
            if (isOpen) lose(denial())
          } else if (Nats.isAuthorizationError(status.error)) {
            lose(`NATS at ${server}: ${Nats.reasonOf(status.error)}`)
          } else {
            events.onWarning(Nats.reasonOf(status.error))
          }
          break
        }
      }
    }
    lose("connection to NATS closed")
  }

  const check = async (): Promise<NatsSession> => {
    const maxMessageBytes = connection.info!.max_payload
    if (maxMessageBytes < Nats.MIN_PAYLOAD_BYTES) {
      const detail = `max_payload of NATS at ${server} is ${maxMessageBytes}; a relay needs ${Nats.MIN_PAYLOAD_BYTES}`
      throw new BusError({ detail })
    }
    for (const [subject, handle] of Object.entries(subscriptions)) subscribe(subject, handle)
    for (const subject of Object.keys(subscriptions)) connection.publish(subject, PROBE)
    await Promise.race([connection.flush(), connection.closed()])
    // Denials came before the answer to the flush; their statuses are delivered later in this turn.
    await endOfTurn()
    if (denied.size > 0) throw new BusError({ detail: denial() })
    if (lost !== undefined || connection.isClosed()) {
      throw new BusError({ detail: lost ?? `connection to NATS at ${server} lost` })
    }
    isOpen = true
    events.onServers(server, connection.info?.connect_urls ?? [])
    return {
      server,
      maxMessageBytes,
      advice: Nats.adviceOn(server, connection.info!),
      publish,
      flush: () => connection.flush(),
      over: Deferred.await(over),
      leave: () => Deferred.doneUnsafe(over, Exit.void),
      close: () => connection.close()
    }
  }

  void followStatus()
  return Effect.tryPromise({
    try: check,
    catch: (cause) => new BusError({ detail: Nats.reasonOf(cause) })
  }).pipe(
    Effect.timeoutOrElse({
      duration: answerMillis,
      orElse: () => Effect.fail(new BusError({ detail: `NATS at ${server} does not answer` }))
    }),
    Effect.onExit((exit) => (Exit.isFailure(exit) ? Effect.sync(() => void connection.close()) : Effect.void))
  )
}
