import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Slot } from "../internal/Slot.ts"
import { Bus, type BusControl, type BusRoom } from "../room/Bus.ts"
import * as Frames from "./Frames.ts"
import { Mesh } from "./Mesh.ts"

/** What senders wait for. */
const OTHERS = "another worker"

/** How often others are told that they should still wait, in milliseconds. */
const HOLD_MILLIS = 25

/** Time between two log lines about what was lost or dropped, in milliseconds. */
const REPORT_MILLIS = 5000

/**
 * The room of the workers of one server (docs/scaling.md). A worker that does not keep up is treated as a client that does not: senders
 * wait for it for the stall grace, and above the hard limit it loses the oldest.
 */
export const layer = Layer.effect(
  Bus,
  Effect.gen(function* () {
    const mesh = yield* Mesh
    const room = new Slot<BusRoom>()
    const control = new Slot<BusControl>()
    const counts = { batchesIn: 0, bytesIn: 0 }
    let isGranting = false
    let holding: NodeJS.Timeout | undefined

    /** Lets others send more, once clients here have what they have sent: senders elsewhere wait for them as those here do. */
    const grant = () => {
      isGranting = false
      if (room.current?.hasSlowClients() !== true) return mesh.grantUnsafe()
      if (holding !== undefined) return
      const hold = () => void mesh.tellUnsafe(Frames.HOLD, "")
      hold()
      holding = setInterval(hold, HOLD_MILLIS)
      room.current.onceClientsCaughtUp(release)
    }
    const release = () => {
      clearInterval(holding)
      holding = undefined
      grant()
    }
    yield* Effect.addFinalizer(() => Effect.sync(() => clearInterval(holding)))

    mesh.observeUnsafe({
      onUp: () => control.current?.onUp(),
      onBatch: (batch) => {
        counts.batchesIn++
        counts.bytesIn += batch.bytes.length
        room.current?.onBatch(batch)
        if (isGranting) return
        isGranting = true
        // After this turn's lines are with the clients.
        setImmediate(grant)
      },
      onTold: (kind, content, from) => {
        if (kind === Frames.CONTROL) control.current?.onMessage(content, String(from))
      },
      onSlow: () => room.current?.onSlow(OTHERS),
      onCaughtUp: () => {
        if (!mesh.isSlowUnsafe()) room.current?.onCaughtUp(OTHERS)
      }
    })

    const told = { dropped: 0, lost: 0 }
    let missing = ""
    const report = Effect.gen(function* () {
      const missingNow = mesh.missingUnsafe().join(", ")
      if (missingNow !== missing) {
        missing = missingNow
        yield* missing === ""
          ? Effect.logInfo("workers: all reach each other again")
          : Effect.logWarning(
              `workers: worker ${mesh.id} does not reach ${missing}: their clients do not hear each other`
            )
      }
      const { dropped, lost } = mesh.statsUnsafe()
      const news = { dropped: dropped - told.dropped, lost: lost - told.lost }
      Object.assign(told, { dropped, lost })
      if (news.dropped > 0) {
        yield* Effect.logWarning(
          `workers: ${news.dropped} batches for another worker were dropped: more than hard_limit_bytes waited`
        )
      }
      if (news.lost > 0) yield* Effect.logWarning(`workers: ${news.lost} batches of another worker were lost`)
    })
    yield* Effect.addFinalizer(() => report)
    yield* Effect.forever(Effect.delay(report, REPORT_MILLIS)).pipe(
      Effect.tapCause((cause) => Effect.logError("workers: what is dropped is not logged any more", cause)),
      Effect.forkScoped
    )

    return Bus.of({
      self: { id: String(mesh.id), name: `worker ${mesh.id}`, isSupervised: true },
      publishUnsafe: mesh.publishUnsafe,
      joinRoom: (joined) => room.hold(joined),
      tellUnsafe: (message, to) =>
        void mesh.tellUnsafe(Frames.CONTROL, message, to === undefined ? undefined : Number(to)),
      listen: (listener) => Effect.andThen(control.hold(listener), Effect.sync(listener.onUp)),
      statsUnsafe: () => ({
        state: mesh.missingUnsafe().length === 0 ? "up" : "down",
        ...mesh.statsUnsafe(),
        ...counts,
        duplicates: 0,
        reconnects: 0
      })
    })
  })
)
