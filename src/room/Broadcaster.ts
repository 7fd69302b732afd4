import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { ServerConfig } from "../config/CurrentConfig.ts"
import type { Distribution } from "../internal/Histogram.ts"
import { monotonicMillis, sleepAwake } from "../internal/time.ts"
import type { Bus } from "./Bus.ts"
import type { Connection } from "./Connection.ts"
import { History } from "./History.ts"
import { Member, Room, type Sender } from "./Room.ts"

export { Member, Sender } from "./Room.ts"

/**
 * Senders wait for a client with a nearly full backlog as long as it takes this many bytes within `eviction_grace_ms`. A kernel with a
 * full buffer accepts bytes again once a third of it is free, more than a MiB at once: a client that reads takes more than this.
 */
const PROGRESS_BYTES = 512 * 1024

interface Progress {
  /** When it became slow, or last took another `PROGRESS_BYTES`, in milliseconds. */
  sinceMillis: number
  /** Bytes that it had taken by then. */
  takenBytes: number
}

/** Events of one member. Called synchronously. */
export interface MemberEvents {
  /** The backlog reached the hard limit, and the policy is to disconnect. */
  readonly onOverflow: () => void
  /** `messages` were dropped because the backlog was at the hard limit. */
  readonly onDropped: (messages: number) => void
  /** The client did not catch up within the stall grace: senders no longer wait for it. */
  readonly onStalled: () => void
  /** The client has caught up, stalled or not. */
  readonly onCaughtUp: () => void
}

/** Relays lines to all clients except their sender. */
export interface Publish {
  /**
   * Relays the line `bytes[start, end)`. The bytes are copied.
   *
   * @param isConstant `bytes` never change: further lines of the same object cost less
   * @returns `false` if the line's envelope would exceed `max_line_bytes`; the line is not relayed
   */
  (sender: Sender, bytes: Uint8Array, start: number, end: number, isConstant?: boolean): boolean
  /**
   * The same for many lines at once. A function that takes the place of `publishUnsafe` and has no `lines` gets each line by itself.
   *
   * @param bytes never change; `[start, end)` of them are lines, each with its line feed
   * @param accept gets how many can be relayed now, and answers how many of these are to be
   * @returns the end of the last line relayed; `start`, if there is none: the first may be too long
   */
  readonly lines?: (
    sender: Sender,
    bytes: Uint8Array,
    start: number,
    end: number,
    accept: (lines: number) => number
  ) => number
}

/**
 * Owns the room, and decides when senders wait for slow readers (docs/operating.md#slow-readers).
 *
 * `Room` relays lines, in plain code; waiting is here.
 */
export class Broadcaster extends Context.Service<
  Broadcaster,
  {
    /** Makes the member that a client is. It is not in the room before `joinUnsafe`. */
    readonly memberUnsafe: (connection: Connection, events: MemberEvents) => Member
    /** Adds a client. It gets every line published from now on. */
    readonly joinUnsafe: (member: Member) => void
    /** Removes a client. What it has published still reaches the others. */
    readonly leaveUnsafe: (member: Member) => void
    /** The number of clients in the room. */
    readonly sizeUnsafe: () => number
    /** Relays a line, or many, to all clients except their sender. */
    readonly publishUnsafe: Publish
    /**
     * As `publishUnsafe`, for some clients only.
     *
     * @param recipients who do not change afterwards; lines for the same array cost no more than lines for all
     */
    readonly publishToUnsafe: (
      recipients: ReadonlyArray<Member>,
      sender: Sender,
      bytes: Uint8Array,
      start: number,
      end: number
    ) => boolean
    /** The clients in the room. */
    readonly members: Iterable<Member>
    /** Sends the lines of this turn of the event loop now, instead of at its end. */
    readonly flushUnsafe: () => void
    /**
     * Whether senders have to wait: a client is above the soft limit and within the stall grace, or its backlog is nearly full and it
     * reads.
     */
    readonly isCongestedUnsafe: () => boolean
    /** Waits until senders may go on. */
    readonly uncongested: Effect.Effect<void>
    /** Recipients per line, and the time from reading a line to handing it to the last of them, in microseconds. */
    readonly distributions: Effect.Effect<{ readonly fanOut: Distribution; readonly latencyMicros: Distribution }>
    /**
     * Connects the room to those of other processes, until the scope ends. Senders wait for a slow bus, or for another process, as they
     * do for a client: for the stall grace.
     */
    readonly connect: (bus: Bus["Service"]) => Effect.Effect<void, never, Scope.Scope>
  }
>()("summoner-server/Broadcaster") {
  /** One room, for as long as the scope lasts. */
  static readonly layer = Layer.effect(
    Broadcaster,
    Effect.gen(function* () {
      const { history, hyper_parameters } = yield* ServerConfig
      const { max_line_bytes, slow_consumer } = hyper_parameters
      const room = new Room(max_line_bytes, new History(history, slow_consumer), slow_consumer)
      const goOn = yield* Latch.make(true)
      /** Members, and names of a bus, that senders wait for, each with the fiber that ends the wait. */
      const awaited = new Map<Member | string, Fiber.Fiber<void>>()
      const fork = yield* FiberSet.makeRuntime<never, void, never>()
      const clock = yield* Clock.Clock

      const waitFor = (member: Member | string, millis: number, onStalled: () => void) => {
        if (millis <= 0) return onStalled()
        awaited.get(member)?.interruptUnsafe()
        goOn.closeUnsafe()
        const grace = Effect.andThen(
          sleepAwake(millis),
          Effect.sync(() => {
            giveUpOn(member)
            onStalled()
          })
        )
        awaited.set(member, fork(grace))
      }
      /** Senders wait for a client with a nearly full backlog as long as it reads: the room slows down instead of losing it. */
      const waitForReader = (member: Member, { sinceMillis }: Progress) => {
        // The other policies prefer losing messages to waiting.
        if (slow_consumer.policy !== "disconnect") return
        const millis = sinceMillis + slow_consumer.eviction_grace_ms - monotonicMillis(clock)
        if (millis > 0) waitFor(member, millis, () => {})
      }
      const stopWaitingFor = (member: Member | string) => {
        awaited.get(member)?.interruptUnsafe()
        giveUpOn(member)
      }
      const giveUpOn = (member: Member | string) => {
        // Not at once: senders would run in the middle of a flush, or between two readers that leave during a shutdown.
        if (awaited.delete(member) && (awaited.size === 0 || !hasSlowClients())) setImmediate(letGoOn)
      }
      const hasSlowClients = () => {
        for (const key of awaited.keys()) if (typeof key !== "string") return true
        return false
      }
      /** Other processes whose senders wait for clients of this one. */
      let waitingElsewhere: Array<() => void> = []
      const letGoOn = () => {
        if (awaited.size === 0) goOn.openUnsafe()
        if (waitingElsewhere.length === 0 || hasSlowClients()) return
        const waiting = waitingElsewhere
        waitingElsewhere = []
        for (const go of waiting) go()
      }

      const publishUnsafe: Publish = Object.assign(
        (sender: Sender, bytes: Uint8Array, start: number, end: number, isConstant?: boolean) =>
          room.publish(sender, bytes, start, end, isConstant),
        room.publishesLines && { lines: room.publishLines.bind(room) }
      )

      return Broadcaster.of({
        memberUnsafe: (connection, events) => {
          let progress: Progress = { sinceMillis: 0, takenBytes: 0 }
          let isWithinStallGrace = false
          const member = new Member(connection, slow_consumer, {
            onSlow: () => {
              // Outside the room it does not read notices, which are bounded: no sender waits for that.
              if (!room.members.has(member)) return
              progress = { sinceMillis: monotonicMillis(clock), takenBytes: member.outbox.takenBytes }
              isWithinStallGrace = true
              waitFor(member, slow_consumer.stall_grace_ms, () => {
                isWithinStallGrace = false
                events.onStalled()
                if (member.outbox.isNearlyFull) waitForReader(member, progress)
              })
            },
            onNearlyFull: (isNearlyFull) => {
              if (isWithinStallGrace) return
              if (isNearlyFull) waitForReader(member, progress)
              else stopWaitingFor(member)
            },
            onProgress: () => {
              const { isNearlyFull, takenBytes } = member.outbox
              if (takenBytes - progress.takenBytes < PROGRESS_BYTES) return
              progress = { sinceMillis: monotonicMillis(clock), takenBytes }
              if (isNearlyFull && !isWithinStallGrace) waitForReader(member, progress)
            },
            onCaughtUp: () => {
              stopWaitingFor(member)
              events.onCaughtUp()
            },
            onOverflow: events.onOverflow,
            onDropped: events.onDropped
          })
          return member
        },
        joinUnsafe: (member) => room.join(member),
        leaveUnsafe: (member) => {
          room.leave(member)
          stopWaitingFor(member)
        },
        sizeUnsafe: () => room.members.size,
        publishUnsafe,
        publishToUnsafe: (recipients, sender, bytes, start, end) =>
          room.publishTo(recipients, sender, bytes, start, end),
        members: room.members,
        flushUnsafe: () => room.flush(),
        isCongestedUnsafe: () => awaited.size > 0,
        uncongested: goOn.await,
        distributions: Effect.sync(() => ({
          fanOut: room.fanOut.distribution,
          latencyMicros: room.latencyMicros.distribution
        })),
        connect: (bus) =>
          Effect.acquireRelease(
            Effect.andThen(
              bus.joinRoom({
                onBatch: (batch, release) => room.receive(batch, release),
                hasSlowClients,
                onceClientsCaughtUp: (go) => {
                  waitingElsewhere.push(go)
                  if (!hasSlowClients()) setImmediate(letGoOn)
                },
                onSlow: (what) => waitFor(what, slow_consumer.stall_grace_ms, () => {}),
                onCaughtUp: stopWaitingFor
              }),
              Effect.sync(() => room.connect(bus.publishUnsafe))
            ),
            () =>
              Effect.sync(() => {
                room.connect(undefined)
                for (const key of Array.from(awaited.keys())) if (typeof key === "string") stopWaitingFor(key)
              })
          )
      })
    })
  )
}
