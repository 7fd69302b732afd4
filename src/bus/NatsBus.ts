import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { randomBytes } from "node:crypto"
import { ServerConfig } from "../config/CurrentConfig.ts"
import { ReloadHooks } from "../config/ReloadHooks.ts"
import { background } from "../internal/background.ts"
import { Bus, type BusStats, MAX_MESSAGE_BYTES } from "../room/Bus.ts"
import * as ControlMessage from "./ControlMessage.ts"
import { Exchange } from "./Exchange.ts"
import * as Frame from "./Frame.ts"
import * as LossReport from "./LossReport.ts"
import * as Nats from "./NatsConnection.ts"
import * as NatsSession from "./NatsSession.ts"
import { Outbound } from "./Outbound.ts"

/** How long a connection may take to close, in milliseconds. */
const CLOSE_MILLIS = 500

/** Time between two log lines about lost or dropped batches, in milliseconds. */
const REPORT_MILLIS = 5000

/** The most warnings of a server that are logged during one connection. */
const MAX_WARNINGS = 32

/**
 * The processes of a room, connected by NATS (docs/scaling.md#several-machines).
 *
 * Batches are messages on `cluster.nats.subject`; processes exchange control messages on `<subject>.control`. NATS delivers at most once.
 * So batches are numbered, kept until the server has confirmed them, and sent again on the next connection; every receiver drops the
 * batches that it has and counts those that are missing.
 *
 * @returns fails with `BusError`: a file cannot be read, the client library is missing, or, with `connect: "fail"`, no server answers, or NATS
 * denies something that a relay does.
 */
export const layerWith = (times: Nats.Times) =>
  Layer.effect(
    Bus,
    Effect.gen(function* () {
      const config = yield* ServerConfig
      const { connect: startsWithout, max_pending_bytes, subject } = config.cluster.nats
      const nats = yield* Nats.make(config.cluster.nats, times)
      const runFork = Effect.runForkWith(yield* Effect.context<never>())
      const log = (effect: Effect.Effect<void>) => void runFork(effect)

      const origin = randomBytes(Frame.ORIGIN_BYTES)
      const self = { id: origin.toString("hex"), name: nats.name }
      const outbound = new Outbound(origin, max_pending_bytes, {
        onSlow: (what) => exchange.room.current?.onSlow(what),
        onCaughtUp: (what) => exchange.room.current?.onCaughtUp(what)
      })
      const exchange = new Exchange(origin, config.hyper_parameters.max_line_bytes, outbound)
      const controlSubject = (id?: string) => (id === undefined ? `${subject}.control` : `${subject}.control.${id}`)
      const report = LossReport.make(subject)
      let reconnects = 0
      /** The session in use. */
      let session: NatsSession.NatsSession | undefined
      let lostMillis: number | undefined
      let isClosing = false
      const warned = new Set<string>()
      /** Open once the start need not wait any longer for a server. */
      const mayStart = yield* Latch.make(false)

      /** Logs each warning once while a connection lasts, and no more than `MAX_WARNINGS`. */
      const warnOnce = (about: string, warning: Effect.Effect<void>) => {
        if (warned.has(about) || warned.size === MAX_WARNINGS) return
        warned.add(about)
        log(warning)
      }

      const onUp = (opened: NatsSession.NatsSession) => {
        const replaced = session
        session = opened
        warned.clear()
        const where = `NATS at ${opened.server}`
        if (replaced === undefined && lostMillis === undefined) {
          log(Effect.logInfo(`bus: connected to ${where}, subject ${subject}, as ${self.name}`))
        } else {
          reconnects++
          const downMillis = replaced === undefined ? performance.now() - lostMillis! : 0
          const seconds = (downMillis / 1000).toFixed(1)
          log(
            Effect.logInfo(
              `bus: connected again after ${seconds} s, to ${where}; batches that wait: ${outbound.waiting}`
            )
          )
        }
        for (const advice of opened.advice) warnOnce(advice, Effect.logWarning(`bus: ${advice}`))
        exchange.connect((message, to) => opened.publish(controlSubject(to), message))
        outbound.up({
          maxMessageBytes: opened.maxMessageBytes,
          send: (frame, to) => opened.publish(to === undefined ? subject : controlSubject(to), frame),
          confirmed: opened.flush
        })
        mayStart.openUnsafe()
      }

      const onLost = (why: string) => {
        session = undefined
        lostMillis = performance.now()
        exchange.connect(undefined)
        outbound.down()
        if (isClosing) return
        log(Effect.logWarning(`bus: ${why}; lines reach the clients of this process only, trying to connect again`))
      }

      const onCut = () => {
        warnOnce(
          "did not keep up",
          Effect.logWarning(
            "bus: this relay did not keep up, and NATS has ended its subscription; it asks for what it has missed"
          )
        )
        exchange.catchUp()
      }

      const subscriptions = {
        [subject]: exchange.receiveFrame,
        [controlSubject()]: exchange.receiveControl,
        [controlSubject(self.id)]: exchange.receiveOwn
      }

      /** Makes one attempt at every server. Fails with the reason of the last. */
      const attempt = Effect.fnUntraced(function* () {
        // Not the one that is to be left, which may still be there.
        const connection = yield* nats.attempt(session?.server)
        const opened: NatsSession.NatsSession = yield* NatsSession.open(connection, subscriptions, times.answerMillis, {
          onLost: (why) => {
            if (session === opened) onLost(why)
          },
          onWarning: (reason) => warnOnce(reason, Effect.logWarning(`bus: NATS says: ${reason}`)),
          onCut: () => {
            if (session === opened) onCut()
          },
          onServers: nats.learn,
          report: (message, defect) => log(Effect.logError(message, defect))
        })
        onUp(opened)
        return opened
      })

      /** Makes attempts until one succeeds, and logs each reason of a failure once. */
      const connect = Effect.fnUntraced(function* () {
        const since = performance.now()
        while (true) {
          const tried = yield* Effect.result(attempt())
          if (Result.isSuccess(tried)) return tried.success
          const { detail } = tried.failure
          const warning =
            session === undefined
              ? Effect.logWarning(`bus: ${detail}; lines reach the clients of this process only, trying again`)
              : Effect.logWarning(`bus: ${detail}; the connection stays as it was, trying again`)
          warnOnce(detail, warning)
          mayStart.openUnsafe()
          yield* Effect.sleep(Nats.pauseMillis(performance.now() - since))
        }
      })

      yield* (yield* ReloadHooks).onReload(
        Effect.gen(function* () {
          if (yield* nats.haveFilesChanged) session?.leave()
        })
      )

      const established = startsWithout === "fail" ? yield* attempt() : undefined
      const run = Effect.gen(function* () {
        let current = established ?? (yield* connect())
        while (true) {
          yield* current.over
          if (isClosing) return
          const next = yield* connect()
          // Only now, so that no line is missed if the server was left.
          yield* Effect.promise(current.close)
          current = next
        }
      })
      const losses = () => ({ ...exchange.counts, dropped: outbound.dropped })
      const expireAndReport = Effect.suspend(() => {
        exchange.expire()
        return report(losses())
      })
      const reporting = Effect.forever(Effect.delay(expireAndReport, REPORT_MILLIS))
      const [running] = yield* Effect.forEach([run, reporting], (task) =>
        background("bus: it has ended; lines reach the clients of this process only", task)
      )

      /** Sends the batches that wait, within the shutdown grace, and closes the connection. */
      const close = Effect.gen(function* () {
        isClosing = true
        const drained = Effect.callback<void>((resume) => outbound.drain(() => resume(Effect.void)))
        yield* Effect.timeoutOption(drained, config.hyper_parameters.shutdown_grace_ms)
        if (outbound.waiting > 0) {
          yield* Effect.logWarning(`bus: ${outbound.waiting} batches may not have reached the other relays`)
        }
        yield* expireAndReport
        outbound.close()
        // A session that it opened from now on would stay.
        yield* Fiber.interrupt(running!)
        const last = session
        if (last === undefined) return
        // For the goodbye.
        const flushed = last.flush().catch(() => {})
        yield* Effect.timeoutOption(
          Effect.promise(() => flushed),
          CLOSE_MILLIS
        )
        yield* Effect.promise(() => last.close())
      })
      yield* Effect.addFinalizer(() => close)
      yield* Effect.timeoutOption(mayStart.await, times.answerMillis)

      return Bus.of({
        self,
        publishUnsafe: (parts) => outbound.publish(parts),
        joinRoom: (room) => exchange.room.hold(room),
        tellUnsafe: (message, to) => exchange.tell(message, to),
        maxMessageBytesUnsafe: () =>
          Math.min(MAX_MESSAGE_BYTES, (session?.maxMessageBytes ?? Infinity) - ControlMessage.TEXT_OVERHEAD_BYTES),
        listen: (control) =>
          Effect.andThen(
            exchange.control.hold(control),
            Effect.sync(() => {
              if (session !== undefined) control.onUp()
            })
          ),
        stats: Effect.sync((): BusStats => {
          const { leaps: _, ...counts } = exchange.counts
          return {
            state: session === undefined ? "down" : "up",
            batchesOut: outbound.batches,
            bytesOut: outbound.bytes,
            bytesWaiting: outbound.waitingBytes,
            dropped: outbound.dropped,
            reconnects,
            ...counts
          }
        })
      })
    })
  )

/** The processes of a room, as `layerWith` connects them. */
export const layer = layerWith({ answerMillis: 2000, pingMillis: 2000 })
