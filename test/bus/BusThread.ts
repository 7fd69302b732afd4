/** A thread of a room that talks, and checks every byte that it hears. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { parentPort, workerData } from "node:worker_threads"
import * as ThreadBus from "../../src/bus/ThreadBus.ts"
import { type WakePort, WakePorts } from "../../src/bus/ThreadSignals.ts"
import { ServerConfig } from "../../src/config/ServerConfig.ts"
import { RelayLogger } from "../../src/logging/RelayLogger.ts"
import { Bus, type BusStats, type Chunk } from "../../src/room/Bus.ts"

export interface Task {
  readonly shared: ThreadBus.SharedRoom
  readonly wakePorts: ReadonlyArray<WakePort>
  readonly index: number
  /** What tells its lines from those of another that has had its place. */
  readonly life: number
  /** Batches that it publishes once it is told to; without end, if there are none. */
  readonly batches?: number
  /** Lines and bytes of a batch, at most. */
  readonly lines: number
  readonly lineBytes: number
  /** Those that it waits for when it should; by default all. */
  readonly waitsFor?: ReadonlyArray<number>
  /** It stops within its first batch of others, until this is not 0. */
  readonly gate?: Int32Array
}

/** What has come from one life of a thread. */
export interface Heard {
  lines: number
  /** Numbers that were left out between two that came. */
  missing: number
  /** The first. */
  readonly first: number
  next: number
  isComplete: boolean
}

export type ToThread = "talk" | "report" | WakePort

export type FromThread =
  | { readonly _tag: "Joined" }
  /** It has published everything. */
  | { readonly _tag: "Said"; readonly lines: number }
  /** Somebody has said everything. */
  | { readonly _tag: "Complete"; readonly who: string }
  | { readonly _tag: "Report"; readonly heard: ReadonlyMap<string, Heard>; readonly stats: BusStats }

/** A line that can be made again from what it begins with. */
const lineOf = (who: string, n: number, bytes: number): string =>
  `${who} ${n} ${bytes} `.padEnd(bytes, String.fromCharCode(97 + (n % 26)))

const send = (message: FromThread) => {
  parentPort!.postMessage(message)
}

const task = workerData as Task
const wakePorts = new WakePorts()
for (const wakePort of task.wakePorts) wakePorts.add(wakePort)
const who = `${task.index}.${task.life}`

const main = Effect.gen(function* () {
  const bus = yield* Bus
  const runSync = Effect.runSyncWith(yield* Effect.context<never>())
  const heard = new Map<string, Heard>()
  const awaited = new Set<string>()
  let talk = () => {}

  let n = 0
  const hear = (line: string) => {
    const [from, number, bytes] = line.split(" ", 3)
    if (line !== lineOf(from!, Number(number), Number(bytes))) throw new Error(`torn: ${line.slice(0, 100)}`)
    const its = Number(number)
    const known = heard.get(from!) ?? { lines: 0, missing: 0, first: its, next: its, isComplete: false }
    heard.set(from!, known)
    if (its < known.next) throw new Error(`again or out of order: ${line.slice(0, 100)} after ${known.next - 1}`)
    known.lines++
    known.missing += its - known.next
    known.next = its + 1
    // The last line is the only one of no length.
    if (Number(bytes) > 0) return
    known.isComplete = true
    send({ _tag: "Complete", who: from! })
  }

  yield* bus.joinRoom({
    onBatch: ({ bytes, messages }) => {
      if (task.gate !== undefined) Atomics.wait(task.gate, 0, 0)
      const lines = Buffer.from(bytes).toString().split("\n")
      if (lines.pop() !== "" || lines.length !== messages) throw new Error(`not ${messages} whole lines`)
      lines.forEach(hear)
    },
    hasSlowClients: () => false,
    onceClientsCaughtUp: () => {},
    onSlow: (what) => {
      if (task.waitsFor === undefined || task.waitsFor.some((index) => what === `thread ${index}`)) awaited.add(what)
    },
    onCaughtUp: (what) => {
      if (awaited.delete(what) && awaited.size === 0) setImmediate(() => talk())
    }
  })

  let seed = 1 + task.index
  const random = (below: number) => (seed = (seed * 48_271) % 0x7fff_ffff) % below
  const publish = (lineBytes: ReadonlyArray<number>) =>
    bus.publishUnsafe?.(
      lineBytes.map((bytes): Chunk => ({ bytes: Buffer.from(`${lineOf(who, n++, bytes)}\n`), messages: 1 }))
    )
  let left = task.batches ?? Infinity
  let isTalking = false
  const turn = () => {
    isTalking = false
    for (let batches = random(8); batches > 0 && left > 0 && awaited.size === 0; batches--) {
      left--
      publish(Array.from({ length: 1 + random(task.lines) }, () => 1 + random(task.lineBytes)))
    }
    if (left > 0) return talk()
    left = -1
    publish([0])
    send({ _tag: "Said", lines: n })
  }
  parentPort!.on("message", (message: ToThread) => {
    if (message === "report") return send({ _tag: "Report", heard, stats: runSync(bus.stats) })
    if (message !== "talk") return wakePorts.add(message)
    talk = () => {
      if (isTalking || awaited.size > 0 || left < 0) return
      isTalking = true
      setImmediate(turn)
    }
    talk()
  })
  send({ _tag: "Joined" })
  return yield* Effect.never
})

const services = Layer.mergeAll(ServerConfig.layerTest({}), RelayLogger.layerTest([]))
Effect.runFork(
  Effect.scoped(
    Effect.flatMap(
      Layer.build(Layer.provide(ThreadBus.layer(task.shared, task.index, wakePorts), services)),
      (context) => Effect.provideService(main, Bus, Context.get(context, Bus))
    )
  )
)
