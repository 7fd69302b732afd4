import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { randomBytes } from "node:crypto"
import { setImmediate as endOfTurn } from "node:timers/promises"
import { ServerConfig } from "../config/ServerConfig.ts"
import { background } from "../internal/background.ts"
import { Slot } from "../internal/Slot.ts"
import { Bus, BusError, type BusControl, type BusRoom, type BusStats } from "../room/Bus.ts"
import * as ControlMessage from "./ControlMessage.ts"
import * as Frame from "./Frame.ts"
import { Inbound } from "./Inbound.ts"
import * as Nats from "./NatsConnection.ts"
import { Outbound } from "./Outbound.ts"
import { PeerTable } from "./PeerTable.ts"

/** Whoever was heard so shortly before a connection was lost is probably still there, in milliseconds. */
const RECENT_MILLIS = 3000

/** A process is told what has been handled of its bytes after so many. */
const ACKNOWLEDGED_BYTES = 128 * 1024

/** How long a start waits for a server that does not answer at all, in milliseconds. */
const START_MILLIS = 2000

/** How long a connection may take to close, in milliseconds. */
const CLOSE_MILLIS = 500

/** Time between two log lines about what was lost or dropped, in milliseconds. */
const REPORT_MILLIS = 5000

/** The most of what the server complains about that is told while one connection lasts. */
const MAX_COMPLAINTS = 32

/** What is published to see whether that is allowed. Nobody makes anything of it. */
const PROBE = new Uint8Array()

/** Another process. */
interface Peer {
  /** Of its bytes: how many have arrived here, and of how many it knows that. */
  arrived: number
  acknowledged: number
}

/** A connection on which everything is allowed that a relay does. */
interface Followed {
  /** Done when it is closed. */
  readonly ended: () => Promise<void>
}

/**
 * The processes of a room, connected by NATS (docs/cluster.md).
 *
 * Batches are messages on `cluster.nats.subject`, what processes tell each other is on `<subject>.control`. NATS delivers at most once; so
 * that a lost connection costs as little as possible, batches are numbered, kept until the server has confirmed them, and sent again on the
 * next connection, and every receiver drops what it has and counts what is missing.
 *
 * A connection counts only if its server lets this process publish and subscribe to all of these; else it is closed and made anew, as one
 * that is lost. NATS says no only to whoever tries, and never that it would say yes by now.
 *
 * @param options `pingMillis`: time between two pings of the server, in milliseconds
 * @returns fails with `BusError`: a file cannot be read, the client library is missing, or, with `connect: "fail"`, no server answers, or it does
 * not allow what a relay does.
 */
export const layerWith = ({ pingMillis }: { readonly pingMillis: number }) =>
  Layer.effect(
    Bus,
    Effect.gen(function* () {
      const config = yield* ServerConfig
      const { connect: startsWithout, max_pending_bytes, subject } = config.cluster.nats
      const nats = yield* Nats.make(config.cluster.nats, pingMillis)
      const runFork = Effect.runForkWith(yield* Effect.context<never>())
      const log = (effect: Effect.Effect<void>) => void runFork(effect)

      const origin = randomBytes(Frame.ORIGIN_BYTES)
      const self = { id: origin.toString("hex"), name: nats.name }
      const room = new Slot<BusRoom>()
      const control = new Slot<BusControl>()
      const outbound = new Outbound(origin, max_pending_bytes, {
        onSlow: (what) => room.current?.onSlow(what),
        onCaughtUp: (what) => room.current?.onCaughtUp(what)
      })
      const inbound = new Inbound(config.hyper_parameters.max_line_bytes)
      const peers = new PeerTable<Peer>()
      /** Others are told what has been handled once clients here are no longer slow. */
      let isAcknowledging = false
      const counts = { batchesIn: 0, bytesIn: 0, lost: 0, duplicates: 0, malformed: 0, reconnects: 0 }
      const subjects = [subject, `${subject}.control`, `${subject}.control.${self.id}`]
      /** Numbers far from those before them. */
      let leaps = 0
      let isConnected = false
      /** The connection, also while it is trying to come back. */
      let connection: Nats.NatsConnection | undefined
      let lostMillis: number | undefined
      let isClosing = false
      /** What the log has said since there was a connection. */
      const complaints = new Set<string>()
      /** Open once it is known whether there is a server. */
      const mayStart = yield* Latch.make(false)

      const noteHeard = (from: string): Peer => {
        const now = performance.now()
        const peer = peers.get(from) ?? { arrived: 0, acknowledged: 0 }
        peers.heard(from, peer, now)
        for (const id of peers.gone(now)) {
          peers.leave(id)
          outbound.forget(id)
        }
        outbound.heard(from)
        return peer
      }

      /** Logs it unless it was said, or too much else was: an attempt a second must not fill a log. */
      const complain = (about: string, warning: Effect.Effect<void>) => {
        if (complaints.has(about) || complaints.size === MAX_COMPLAINTS) return
        complaints.add(about)
        log(warning)
      }
      const complainOfNoConnection = (cause: unknown) => {
        const reason = Nats.reasonOf(cause)
        complain(
          reason,
          Effect.logWarning(`bus: ${reason}; lines reach the clients of this process only, trying again`)
        )
      }

      const receive = (bytes: Uint8Array) => {
        if (bytes.length === PROBE.length) return
        const frame = Frame.decode(bytes)
        if (frame === undefined) return void counts.malformed++
        if (frame.origin === self.id) return
        const { batch, isDuplicate, isLeap, isMalformed, lost } = inbound.take(frame, performance.now())
        counts.lost += lost
        if (isLeap === true) leaps++
        if (isMalformed === true) return void counts.malformed++
        const peer = noteHeard(frame.origin)
        if (isDuplicate) counts.duplicates++
        if (batch === undefined) return
        counts.batchesIn++
        counts.bytesIn += batch.bytes.length
        room.current?.onBatch(batch)
        // The first batch of this relay, or another publisher has used its name.
        if (peer.arrived === 0 || frame.end < peer.acknowledged) peer.acknowledged = frame.end - batch.bytes.length
        peer.arrived = frame.end
        if (peer.arrived - peer.acknowledged >= ACKNOWLEDGED_BYTES && !isAcknowledging) acknowledge()
      }

      /** Tells the others how far their batches have been handled, which is not before clients here are ready for more. */
      const acknowledge = () => {
        isAcknowledging = room.current?.hasSlowClients() === true
        if (isAcknowledging) return room.current!.onceClientsCaughtUp(acknowledge)
        if (connection === undefined || !isConnected) return
        for (const [id, peer] of peers.entries()) {
          if (peer.arrived - peer.acknowledged < ACKNOWLEDGED_BYTES) continue
          peer.acknowledged = peer.arrived
          const message = ControlMessage.encodeAcknowledgement(origin, peer.arrived)
          publish(connection, `${subject}.control.${id}`, message)
        }
      }

      const receiveControl = (bytes: Uint8Array) => {
        if (bytes.length === PROBE.length) return
        const message = ControlMessage.decode(bytes)
        if (message === undefined) return void counts.malformed++
        if (message.from === self.id) return
        noteHeard(message.from)
        if (message._tag === "Text") control.current?.onMessage(message.text, message.from)
        else outbound.acknowledged(message.from, message.end)
      }

      const publish = (to: Nats.NatsConnection, name: string, bytes: Uint8Array) => {
        try {
          to.publish(name, bytes)
        } catch (defect) {
          // Once it is closed, which is told otherwise, it takes nothing.
          if (!to.isClosed()) log(Effect.logError("bus: a message for the other relays was refused", defect))
        }
      }

      const subscribe = (to: Nats.NatsConnection, name: string, take: (bytes: Uint8Array) => void) =>
        to.subscribe(name, {
          callback: (error, message) => {
            // Refused, of which there is a status, too.
            if (error !== null) return
            try {
              take(message.data)
            } catch (defect) {
              // Thrown into the client library, it would end the connection's reader, and nobody would know.
              log(Effect.logError("bus: a message of another relay could not be handled", defect))
            }
          }
        })

      const up = (by: Nats.NatsConnection) => {
        isConnected = true
        complaints.clear()
        const where = `NATS at ${by.getServer()}`
        if (lostMillis === undefined) {
          log(Effect.logInfo(`bus: connected to ${where}, subject ${subject}, as ${self.name}`))
        } else {
          counts.reconnects++
          const seconds = ((performance.now() - lostMillis) / 1000).toFixed(1)
          log(
            Effect.logInfo(
              `bus: connected again after ${seconds} s, to ${where}; batches that wait: ${outbound.waiting}`
            )
          )
        }
        control.current?.onUp()
        const link = {
          maxMessageBytes: by.info!.max_payload,
          send: (message: Uint8Array) => publish(by, subject, message),
          confirmed: () => by.flush()
        }
        outbound.up(link, lostMillis === undefined ? [] : peers.heardAfter(lostMillis - RECENT_MILLIS))
        mayStart.openUnsafe()
      }

      const down = (why: string) => {
        if (!isConnected) return
        isConnected = false
        lostMillis = performance.now()
        nats.lostUnsafe()
        outbound.down()
        if (isClosing) return
        log(Effect.logWarning(`bus: ${why}; lines reach the clients of this process only, trying to connect again`))
      }

      /** Listens on a connection, and follows it to its end. Fails if it is not `up` at first; after that it is whenever it has come back. */
      const follow = async (followed: Nats.NatsConnection): Promise<Followed> => {
        /** What the server does not allow. */
        const denied = new Set<string>()
        const refusal = () => `NATS at ${followed.getServer()} does not let this relay ${[...denied].join(", ")}`
        let losses = 0
        const lose = (why: string) => {
          losses++
          down(why)
        }

        /** It is `up`, unless it is lost meanwhile, or the server does not allow what a relay does. */
        const examine = async () => {
          const lossesBefore = losses
          for (const name of subjects) followed.publish(name, PROBE)
          await followed.flush()
          // What the server has said before its answer is among the statuses, which are told later in this turn.
          await endOfTurn()
          if (losses !== lossesBefore) throw new BusError({ detail: "connection to NATS lost" })
          if (denied.size > 0) {
            void followed.close()
            throw new BusError({ detail: refusal() })
          }
          connection = followed
          up(followed)
        }

        const ended = (async () => {
          for await (const status of followed.status()) {
            switch (status.type) {
              case "disconnect":
                lose(`connection to NATS at ${status.server} lost`)
                break
              case "reconnect":
                // Lost again, it comes back again; of no use, it is closed.
                void examine().catch(complainOfNoConnection)
                break
              case "staleConnection":
                lose("NATS does not answer any more")
                // Left to itself, the client library waits until the dead connection has taken what was written to it.
                void followed.close()
                break
              case "error": {
                const denial = Nats.denialOf(status.error)
                if (denial === undefined) {
                  const reason = Nats.reasonOf(status.error)
                  complain(reason, Effect.logWarning(`bus: NATS says: ${reason}`))
                  break
                }
                denied.add(denial)
                // A permission was taken away: another connection will tell when it is back.
                if (isConnected) {
                  lose(refusal())
                  void followed.close()
                }
                break
              }
            }
          }
          lose("connection to NATS closed")
        })()

        const [batches, ...controls] = subjects
        subscribe(followed, batches!, receive)
        for (const name of controls) subscribe(followed, name, receiveControl)
        await examine()
        return { ended: () => ended }
      }

      /** One attempt at a connection. Fails with the reason if there is none, or none of use. */
      const attempt = Effect.flatMap(nats.attempt, (made) =>
        Effect.tryPromise({
          try: () => follow(made),
          catch: (cause) => new BusError({ detail: Nats.reasonOf(cause) })
        }).pipe(
          Effect.timeoutOrElse({
            duration: Nats.CONNECT_MILLIS,
            orElse: () => Effect.fail(new BusError({ detail: `NATS at ${made.getServer()} does not answer` }))
          }),
          Effect.onExit((exit) => (Exit.isFailure(exit) ? Effect.sync(() => void made.close()) : Effect.void))
        )
      )

      /** Tries until there is a connection. The log says why there is none, each reason once. */
      const connect = Effect.fnUntraced(function* () {
        const since = performance.now()
        while (true) {
          const tried = yield* Effect.result(attempt)
          if (Result.isSuccess(tried)) return tried.success
          complainOfNoConnection(tried.failure)
          mayStart.openUnsafe()
          yield* Effect.sleep(Nats.pauseMillis(performance.now() - since))
        }
      })

      const established = startsWithout === "fail" ? yield* attempt : undefined
      const run = Effect.gen(function* () {
        let followed = established ?? (yield* connect())
        while (true) {
          yield* Effect.promise(followed.ended)
          if (isClosing) return
          followed = yield* connect()
        }
      })

      const told = { dropped: 0, lost: 0, malformed: 0, leaps: 0 }
      /** Logs what has gone wrong since it was last told. */
      const report = Effect.gen(function* () {
        counts.lost += inbound.expire(performance.now())
        const { lost, malformed } = counts
        const { dropped } = outbound
        const news = {
          dropped: dropped - told.dropped,
          lost: lost - told.lost,
          malformed: malformed - told.malformed,
          leaps: leaps - told.leaps
        }
        Object.assign(told, { dropped, lost, malformed, leaps })
        if (news.dropped > 0) {
          yield* Effect.logWarning(
            `bus: ${news.dropped} batches for the other relays were dropped: more than max_pending_bytes waited`
          )
        }
        if (news.lost > 0) yield* Effect.logWarning(`bus: ${news.lost} batches of other relays were lost`)
        if (news.malformed > 0) {
          yield* Effect.logWarning(
            `bus: ${news.malformed} messages were not understood: who else uses ${subject}, or a relay of which version?`
          )
        }
        if (news.leaps > 0) {
          yield* Effect.logWarning(
            `bus: ${news.leaps} batches out of sequence: a long gap, or another publisher uses the name of a relay`
          )
        }
      })

      for (const task of [run, Effect.forever(Effect.delay(report, REPORT_MILLIS))]) {
        yield* background("bus: it has ended; lines reach the clients of this process only", task)
      }

      /** Sends what waits, for as long as a shutdown may take, and ends the connection. */
      const close = Effect.gen(function* () {
        isClosing = true
        const drained = Effect.callback<void>((resume) => outbound.drain(() => resume(Effect.void)))
        yield* Effect.timeoutOption(drained, config.hyper_parameters.shutdown_grace_ms)
        if (outbound.waiting > 0) {
          yield* Effect.logWarning(`bus: ${outbound.waiting} batches may not have reached the other relays`)
        }
        yield* report
        outbound.close()
        const last = connection
        if (last === undefined) return
        // The flush is for a goodbye; without a connection it would wait for one.
        const flushed = isConnected ? last.flush().catch(() => {}) : Promise.resolve()
        yield* Effect.timeoutOption(
          Effect.promise(() => flushed),
          CLOSE_MILLIS
        )
        yield* Effect.promise(() => last.close())
      })
      yield* Effect.addFinalizer(() => close)
      yield* Effect.timeoutOption(mayStart.await, START_MILLIS)

      return Bus.of({
        self,
        publishUnsafe: (parts) => outbound.publish(parts),
        keepsBytes: true,
        joinRoom: (joined) => room.hold(joined),
        tellUnsafe: (message, to) => {
          if (!isConnected || connection === undefined) return
          const bytes = ControlMessage.encodeText(origin, message)
          publish(connection, to === undefined ? `${subject}.control` : `${subject}.control.${to}`, bytes)
        },
        listen: (listener) =>
          Effect.andThen(
            control.hold(listener),
            Effect.sync(() => {
              if (isConnected) listener.onUp()
            })
          ),
        statsUnsafe: (): BusStats => ({
          state: isConnected ? "up" : "down",
          batchesOut: outbound.batches,
          bytesOut: outbound.bytes,
          bytesWaiting: outbound.waitingBytes,
          dropped: outbound.dropped,
          ...counts
        })
      })
    })
  )

/** The processes of a room, as `layerWith` connects them. */
export const layer = layerWith({ pingMillis: Nats.PING_MILLIS })
