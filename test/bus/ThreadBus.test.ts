import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { setImmediate as endOfTurn } from "node:timers/promises"
import { Worker } from "node:worker_threads"
import * as ThreadBus from "../../src/bus/ThreadBus.ts"
import { WakeMesh, ThreadSignals, WakePorts } from "../../src/bus/ThreadSignals.ts"
import { ServerConfig } from "../../src/config/ServerConfig.ts"
import { RelayLogger } from "../../src/logging/RelayLogger.ts"
import { Bus } from "../../src/room/Bus.ts"
import { SOAK } from "../faults/form.ts"
import { bundled } from "../support/bundled.ts"
import { until } from "../support/Server.ts"
import * as BusLaws from "./BusLaws.ts"
import type { FromThread, Task, ToThread } from "./BusThread.ts"

const MAX_LINE_BYTES = 65_536

const THREAD = await bundled(new URL("./BusThread.ts", import.meta.url))

interface Room {
  readonly shared: ThreadBus.SharedRoom
  readonly mesh: WakeMesh
}

const share = (threads: number): Room => ({
  shared: ThreadBus.share(threads, MAX_LINE_BYTES),
  mesh: new WakeMesh()
})

/** As the main thread does. */
const detach = ({ shared, mesh }: Room, index: number) => ThreadBus.detach(shared, index, mesh)

const wakePortsOf = ({ mesh }: Room, index: number) => {
  const wakePorts = new WakePorts()
  for (const wakePort of mesh.connect(index, (wakePort) => wakePorts.add(wakePort))) wakePorts.add(wakePort)
  return wakePorts
}

/** Buses within the thread of the test: shared memory works the same there. */
const connect = Effect.fnUntraced(function* (room: Room, index: number, log: Array<string> = []) {
  const services = Layer.mergeAll(ServerConfig.layerTest({}), RelayLogger.layerTest(log))
  return Context.get(
    yield* Layer.build(Layer.provide(ThreadBus.layer(room.shared, index, wakePortsOf(room, index)), services)),
    Bus
  )
})

const start = Effect.sync((): BusLaws.Subject => {
  const room = share(3)
  let next = 0
  return { connect: () => connect(room, next++) }
})

/** A thread with a heap of its own; it is gone when the scope closes. */
const spawn = Effect.fnUntraced(function* ({
  room,
  ...form
}: Omit<Task, "shared" | "wakePorts"> & { readonly room: Room }) {
  const worker = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const wakePorts = room.mesh.connect(form.index, (wakePort) => worker.postMessage(wakePort, [wakePort[1]]))
      const workerData: Task = { ...form, shared: room.shared, wakePorts }
      const worker = new Worker(THREAD, { workerData, transferList: wakePorts.map(([, port]) => port) })
      return worker
    }),
    (worker) => Effect.promise(() => worker.terminate())
  )
  const messages: Array<FromThread> = []
  let error: unknown
  worker.on("message", (message: FromThread) => void messages.push(message))
  worker.on("error", (cause) => {
    error = cause
  })
  /** Waits for the last message of a kind. */
  const told = <Tag extends FromThread["_tag"]>(
    tag: Tag,
    isMeant: (message: Extract<FromThread, { _tag: Tag }>) => boolean = () => true
  ) => {
    const is = (message: FromThread): message is Extract<FromThread, { _tag: Tag }> =>
      message._tag === tag && isMeant(message as Extract<FromThread, { _tag: Tag }>)
    return Effect.map(
      until(
        () => {
          if (error !== undefined) throw error
          return messages.some(is)
        },
        () => `${tag} of ${form.index}.${form.life}, which has said ${JSON.stringify(messages)}`
      ),
      () => messages.findLast(is)!
    )
  }
  const tell = (message: ToThread) => worker.postMessage(message)
  yield* told("Joined")
  return {
    who: `${form.index}.${form.life}`,
    talk: Effect.sync(() => tell("talk")),
    told,
    report: Effect.suspend(() => {
      const before = messages.filter(({ _tag }) => _tag === "Report").length
      tell("report")
      return Effect.andThen(
        until(() => messages.filter(({ _tag }) => _tag === "Report").length > before),
        told("Report")
      )
    }),
    terminate: Effect.promise(() => worker.terminate())
  }
})

type Thread = Effect.Success<ReturnType<typeof spawn>>

const complete = (thread: Thread, of: Thread) => thread.told("Complete", ({ who }) => who === of.who)

describe("ThreadBus", () => {
  BusLaws.laws(start)

  it.live("brings every line of threads that all talk at once to all others, whole, once and in order", () =>
    Effect.gen(function* () {
      const room = share(3)
      const batches = SOAK ? 50_000 : 600
      const threads = yield* Effect.forEach([0, 1, 2], (index) =>
        spawn({ room, index, life: 0, batches, lines: 8, lineBytes: index === 2 ? 16_000 : 500 })
      )
      for (const { talk } of threads) yield* talk
      for (const thread of threads) {
        for (const other of threads) if (other !== thread) yield* complete(thread, other)
        // The others may not have taken all of its own yet.
        const { heard, stats } = yield* Effect.repeat(Effect.delay(thread.report, 10), {
          until: ({ stats }) => stats.bytesWaiting === 0
        })
        for (const other of threads) {
          if (other === thread) continue
          const { lines } = yield* other.told("Said")
          assert.deepStrictEqual(heard.get(other.who), { lines, missing: 0, first: 0, next: lines, isComplete: true })
        }
        assert.deepStrictEqual({ dropped: stats.dropped, lost: stats.lost }, { dropped: 0, lost: 0 })
      }
    })
  )

  it.live("drops for a thread that is stuck its oldest batches, counts them, and the others lose nothing", () =>
    Effect.gen(function* () {
      const room = share(3)
      const gate = new Int32Array(new SharedArrayBuffer(4))
      const form = { room, life: 0, lines: 1, lineBytes: 60_000 }
      const sender = yield* spawn({ ...form, index: 0, batches: 700, waitsFor: [1] })
      const reader = yield* spawn({ ...form, index: 1 })
      const stuck = yield* spawn({ ...form, index: 2, gate })
      yield* sender.talk
      const { lines } = yield* sender.told("Said")
      yield* complete(reader, sender)
      const { stats } = yield* sender.report
      assert.isAtMost(stats.bytesWaiting, 16 * 1024 * 1024)
      Atomics.store(gate, 0, 1)
      Atomics.notify(gate, 0)
      yield* complete(stuck, sender)
      const got = (yield* reader.report).heard.get(sender.who)!
      assert.deepStrictEqual(got, { lines, missing: 0, first: 0, next: lines, isComplete: true })
      const rest = yield* stuck.report
      // A batch is a line here. The first that it hears may come after some that were dropped.
      const { first, missing } = rest.heard.get(sender.who)!
      assert.isAbove(first + missing, 0)
      assert.strictEqual(first + missing, rest.stats.lost)
      assert.strictEqual((yield* sender.report).stats.dropped, rest.stats.lost)
    })
  )

  it.live("costs the others nothing when a thread is terminated at any moment and another takes its place", () =>
    Effect.gen(function* () {
      const room = share(3)
      const form = { room, lines: 8, lineBytes: 4000 }
      const lasting = yield* Effect.forEach([0, 1], (index) =>
        spawn({ ...form, index, life: 0, batches: SOAK ? 60_000 : 300 })
      )
      for (let life = 0; life < (SOAK ? 50 : 3); life++) {
        const victim = yield* spawn({ ...form, index: 2, life })
        yield* victim.talk
        if (life === 0) for (const { talk } of lasting) yield* talk
        // Another moment each time.
        yield* Effect.sleep(5 + life * 7)
        yield* victim.terminate
        detach(room, 2)
      }
      const last = yield* spawn({ ...form, index: 2, life: 1000, batches: 100 })
      yield* last.talk
      for (const [i, thread] of lasting.entries()) {
        const other = lasting[1 - i]!
        yield* complete(thread, other)
        yield* complete(thread, last)
        const { heard, stats } = yield* thread.report
        const { lines } = yield* other.told("Said")
        assert.deepStrictEqual(heard.get(other.who), { lines, missing: 0, first: 0, next: lines, isComplete: true })
        for (const { first, missing } of heard.values())
          assert.deepStrictEqual({ first, missing }, { first: 0, missing: 0 })
        assert.strictEqual(stats.lost, 0)
      }
    })
  )

  const joined = Effect.fnUntraced(function* (threads: number, room = share(threads)) {
    return yield* Effect.forEach(
      Array.from({ length: threads }, (_, index) => index),
      Effect.fnUntraced(function* (index) {
        const member = new BusLaws.Member(String(index), yield* connect(room, index))
        yield* member.bus.joinRoom(member.room)
        return member
      })
    )
  })
  const turn = Effect.promise(() => endOfTurn())

  it.live("makes senders wait on as long as clients of another thread are waited for, and no longer", () =>
    Effect.gen(function* () {
      const [a, b] = yield* joined(2)
      b!.hasSlowClients = true
      yield* until(() => {
        if (a!.awaited.size === 0) a!.publish(1)
        // Nothing else is published meanwhile.
        return (a!.awaited.get("thread 1") ?? 0) > 3
      })
      b!.hasSlowClients = false
      yield* until(() => a!.awaited.size === 0)
      a!.publish(1)
      yield* until(() => b!.from(a!).length === a!.published)
      assert.strictEqual(a!.awaited.size, 0)
    })
  )

  it.live("makes senders wait for a thread that does not read, until it has read", () =>
    Effect.gen(function* () {
      const [a, b] = yield* joined(2)
      yield* until(() => {
        a!.publish(1)
        return b!.lines > 0
      })
      // Within one turn nobody reads.
      for (let bytes = 0; bytes < 1024 * 1024; bytes += 64 * 1024) {
        assert.strictEqual(a!.awaited.size, 0)
        a!.publish(1, 64 * 1024)
      }
      assert.deepStrictEqual([...a!.awaited], [["thread 1", 1]])
      yield* until(() => a!.awaited.size === 0)
    })
  )

  it.live("gets a line that is published just when it goes to sleep", () =>
    Effect.gen(function* () {
      const [a, b] = yield* joined(2)
      const { store } = Atomics
      let isBefore = false
      const intercepted = (array: Int32Array, index: number, value: number) => {
        if (isBefore && value === 1) {
          isBefore = false
          a!.publish(1)
        }
        return store(array, index, value)
      }
      yield* Effect.acquireRelease(
        Effect.sync(() => Object.assign(Atomics, { store: intercepted })),
        () => Effect.sync(() => Object.assign(Atomics, { store }))
      )
      a!.publish(1)
      isBefore = true
      yield* until(() => b!.lines === 2)
      assert.isFalse(isBefore)
    })
  )

  it.live("reads a bounded number of bytes a turn, from all others in turn", () =>
    Effect.gen(function* () {
      const [a, b, reader] = yield* joined(3)
      for (let i = 0; i < 100; i++) for (const sender of [a!, b!]) sender.publish(1, 50_000)
      const counts: Array<number> = []
      while (reader!.lines < 200) {
        const before = reader!.lines
        yield* turn
        if (reader!.lines > before) counts.push(reader!.lines - before)
        assert.isAtMost(Math.abs(reader!.from(a!).length - reader!.from(b!).length), 1)
      }
      // Of 256 KiB, and the batch that passes them; a turn of the test may be two of the thread's.
      assert.isAtMost(Math.max(...counts), 2 * 6)
    })
  )

  it.live("reads into the memory of batches that the room has released", () =>
    Effect.gen(function* () {
      const [a, b] = yield* joined(2)
      for (let i = 0; i < 50; i++) a!.publish(1, 50_000)
      yield* until(() => b!.lines === 50)
      assert.strictEqual(b!.memories.size, 1)
    })
  )

  it.live("has caught up once the room has all that others had published by then", () =>
    Effect.gen(function* () {
      const room = share(3)
      const [a, b] = yield* joined(2, room)
      yield* until(() => {
        a!.publish(1)
        return b!.lines > 0
      })
      // More than is read in a turn.
      for (let i = 0; i < 20; i++) a!.publish(1, 50_000)
      const { published } = a!
      yield* ThreadBus.caughtUp(room.shared, 1)
      assert.strictEqual(b!.from(a!).length, published)
      // At once where it never joined.
      a!.publish(1)
      yield* ThreadBus.caughtUp(room.shared, 2)
    })
  )

  it.live("logs what it has dropped for another thread", () =>
    Effect.gen(function* () {
      const room = share(2)
      const log: Array<string> = []
      const b = yield* connect(room, 1)
      yield* b.joinRoom(new BusLaws.Member("b", b).room)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const a = new BusLaws.Member("a", yield* connect(room, 0, log))
          for (let i = 0; i < 18; i++) a.publish(1, 1024 * 1024)
        })
      )
      assert.deepStrictEqual(log, [
        "WARNING threads: 3 batches of thread 0 for thread 1 were dropped (3145728 bytes): it is too far behind"
      ])
    })
  )

  it.live("wakes a thread again that another had meant to wake when it ended", () =>
    Effect.gen(function* () {
      const room = share(3)
      const [a, b] = yield* Effect.forEach(
        [0, 1],
        Effect.fnUntraced(function* (index) {
          const member = new BusLaws.Member(String(index), yield* connect(room, index))
          yield* member.bus.joinRoom(member.room)
          return member
        })
      )
      // The third has taken it upon itself, and ended before it sent the message.
      const third = new ThreadSignals(room.shared.signals, 2, wakePortsOf(room, 2), () => {})
      third.close()
      third.wake(1)
      a!.publish(1)
      detach(room, 2)
      yield* until(() => b!.from(a!).length === 1)
    })
  )
})
