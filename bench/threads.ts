/**
 * What it costs that a line crosses from one relay thread to another: `node bench/threads.ts [--lines 3000]`. Two relays in two
 * threads are one room; a client of the first sends, and one of each receives. Then two threads exchange batches without any socket.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { once } from "node:events"
import * as Net from "node:net"
import { setImmediate as endOfTurn, setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"
import * as ThreadBus from "../src/bus/ThreadBus.ts"
import { WakeMesh, type WakePort, WakePorts } from "../src/bus/ThreadSignals.ts"
import { ServerConfig } from "../src/config/ServerConfig.ts"
import { RelayServer } from "../src/RelayServer.ts"
import { Bus } from "../src/room/Bus.ts"
import { table } from "./table.ts"

const LINE_BYTES = 100

interface Task {
  readonly kind: "relay" | "reader"
  readonly shared: ThreadBus.SharedRoom
  readonly index: number
  readonly wakePorts: ReadonlyArray<WakePort>
}

interface Room {
  readonly shared: ThreadBus.SharedRoom
  readonly mesh: WakeMesh
}

const share = (): Room => ({ shared: ThreadBus.share(2, 65_536), mesh: new WakeMesh() })

const options = { version: "python", port: 0 } as const

/** A bus of the room alone, without a relay. */
const joined = (
  shared: ThreadBus.SharedRoom,
  index: number,
  wakePorts: WakePorts,
  onBatch: (bytes: number) => void
) => {
  const config = ServerConfig.layerValue(options, "bench")
  return Effect.gen(function* () {
    const bus = Context.get(yield* Layer.build(Layer.provide(ThreadBus.layer(shared, index, wakePorts), config)), Bus)
    const awaited = new Set<string>()
    let goOn = () => {}
    yield* bus.joinRoom({
      onBatch: ({ bytes }) => onBatch(bytes.length),
      hasSlowClients: () => false,
      onceClientsCaughtUp: () => {},
      onSlow: (what) => void awaited.add(what),
      onCaughtUp: (what) => {
        awaited.delete(what)
        goOn()
      }
    })
    const maySend = async () => {
      while (awaited.size > 0) await new Promise<void>((resolve) => (goOn = resolve))
    }
    return { bus, maySend }
  })
}

const tell = (message: unknown) => {
  parentPort!.postMessage(message)
}

const thread = ({ index, kind, shared, wakePorts: ofTask }: Task) => {
  const wakePorts = new WakePorts()
  for (const wakePort of ofTask) wakePorts.add(wakePort)
  parentPort!.on("message", (wakePort: WakePort) => wakePorts.add(wakePort))
  if (kind === "relay") {
    const relay = RelayServer.layerServerConfig({ bus: ThreadBus.layer(shared, index, wakePorts) }).pipe(
      Layer.provide(ServerConfig.layerValue(options, "bench")),
      Layer.provide(Logger.layer([]))
    )
    const listening = Layer.effectDiscard(Effect.map(RelayServer, ({ address }) => tell(address.port)))
    return Effect.runFork(Layer.launch(Layer.provide(listening, relay)))
  }
  let bytes = 0
  let batches = 0
  return Effect.runFork(
    Effect.scoped(
      Effect.gen(function* () {
        yield* joined(shared, index, wakePorts, (length) => {
          bytes += length
          batches++
          // The end of a run.
          if (length === 1) tell({ bytes, batches })
        })
        tell("joined")
        return yield* Effect.never
      })
    )
  )
}

const start = async (kind: Task["kind"], { shared, mesh }: Room, index: number) => {
  const wakePorts = mesh.connect(index, (wakePort) => worker.postMessage(wakePort, [wakePort[1]]))
  const workerData: Task = { kind, shared, index, wakePorts }
  const worker = new Worker(new URL(import.meta.url), { workerData, transferList: wakePorts.map(([, port]) => port) })
  worker.on("error", (error) => {
    throw error
  })
  const [message] = (await once(worker, "message")) as [unknown]
  return { worker, message }
}

const quantiles = (micros: Array<number>) => {
  const sorted = micros.toSorted((a, b) => a - b)
  return [0.1, 0.5, 0.99].map((share) => sorted[Math.floor(sorted.length * share)]!.toFixed(0))
}

const latency = async (lines: number) => {
  const room = share()
  const relays = [await start("relay", room, 0), await start("relay", room, 1)]
  const connect = async (index: number) => {
    const socket = Net.connect({ host: "127.0.0.1", port: relays[index]!.message as number, noDelay: true })
    await once(socket, "connect")
    return socket
  }
  const [sender, near, far] = [await connect(0), await connect(0), await connect(1)]
  // Until they have been let in.
  await sleep(300)
  const rows: Array<Array<string>> = []
  for (const { gap, title } of [
    { title: "one line after the other", gap: 0 },
    { title: "a line every 2 ms", gap: 2 }
  ]) {
    const micros: Record<"near" | "far", Array<number>> = { near: [], far: [] }
    for (let n = -lines / 10; n < lines; n++) {
      const arrivals = [near, far].map((socket) => once(socket, "data").then(() => performance.now()))
      const sent = performance.now()
      sender.write(`${"x".repeat(LINE_BYTES - 1)}\n`)
      const [nearAt, farAt] = await Promise.all(arrivals)
      if (n >= 0) {
        micros.near.push((nearAt! - sent) * 1000)
        micros.far.push((farAt! - sent) * 1000)
      }
      if (gap > 0) await sleep(gap)
    }
    rows.push([title, "the same thread", ...quantiles(micros.near)], [title, "another", ...quantiles(micros.far)])
  }
  console.log(table(["load", "receiver in", "p10 µs", "p50 µs", "p99 µs"], rows))
  for (const socket of [sender, near, far]) socket.destroy()
  for (const { worker } of relays) await worker.terminate()
}

const throughput = async () => {
  const rows: Array<Array<string>> = []
  for (const { batchBytes, count } of [
    { batchBytes: 200, count: 100_000 },
    { batchBytes: 16_384, count: 20_000 },
    { batchBytes: 131_072, count: 5000 }
  ]) {
    const room = share()
    const { worker } = await start("reader", room, 1)
    const wakePorts = new WakePorts()
    for (const wakePort of room.mesh.connect(0, (wakePort) => wakePorts.add(wakePort))) wakePorts.add(wakePort)
    await Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const { bus, maySend } = yield* joined(room.shared, 0, wakePorts, () => {})
          const bytes = Buffer.alloc(batchBytes, 10)
          yield* Effect.promise(async () => {
            const done = once(worker, "message")
            const began = performance.now()
            const cpuBefore = process.cpuUsage()
            for (let i = 0; i < count; i++) {
              bus.publishUnsafe?.([{ bytes, messages: 1 }])
              // As a room does: some batches a turn, and none while it should wait.
              if (i % 16 === 15) await endOfTurn()
              await maySend()
            }
            bus.publishUnsafe?.([{ bytes: bytes.subarray(0, 1), messages: 1 }])
            const [received] = (await done) as [{ readonly batches: number; readonly bytes: number }]
            const seconds = (performance.now() - began) / 1000
            const { system, user } = process.cpuUsage(cpuBefore)
            if (received.batches !== count + 1) throw new Error(`${received.batches} of ${count + 1} batches arrived`)
            const perSecond = [received.batches / seconds, received.bytes / seconds / 2 ** 20]
            rows.push([
              batchBytes.toLocaleString("en"),
              ...perSecond.map((n) => Math.round(n).toLocaleString("en")),
              ((system + user) / received.batches).toFixed(1)
            ])
          })
        })
      )
    )
    await worker.terminate()
  }
  console.log(table(["bytes of a batch", "batches/s", "MiB/s", "CPU µs/batch, both threads"], rows))
}

if (isMainThread) {
  const { values } = parseArgs({ options: { lines: { type: "string", default: "3000" } } })
  await latency(Number(values.lines))
  console.log()
  await throughput()
} else thread(workerData as Task)
