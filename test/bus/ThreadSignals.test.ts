import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ThreadSignals from "../../src/bus/ThreadSignals.ts"
import { until } from "../support/Server.ts"

/** Signals of three threads, and how often each was woken since it was connected. */
const make = Effect.gen(function* () {
  const shared = ThreadSignals.allocate(3)
  const mesh = new ThreadSignals.WakeMesh()
  const woken = [0, 0, 0]
  const threads = yield* Effect.forEach(woken, (_, index) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const wakePorts = new ThreadSignals.WakePorts()
        for (const wakePort of mesh.connect(index, (wakePort) => wakePorts.add(wakePort))) wakePorts.add(wakePort)
        return new ThreadSignals.ThreadSignals(shared, index, wakePorts, () => woken[index]!++)
      }),
      (signals) => Effect.sync(() => signals.close())
    )
  )
  // By the main thread, and by each other, when they were connected.
  yield* until(() => woken.every((times) => times === 3))
  woken.fill(0)
  return { shared, threads, woken }
})

describe("ThreadSignals", () => {
  it.live("wake a thread that sleeps once, and none that is awake", () =>
    Effect.gen(function* () {
      const { threads, woken } = yield* make
      const [a, b, c] = threads
      b!.wake(2)
      c!.sleep()
      c!.awake()
      a!.wake(2)
      a!.sleep()
      b!.wake(0)
      c!.wake(0)
      yield* until(() => woken[0] === 1)
      b!.sleep()
      c!.wake(1)
      yield* until(() => woken[1] === 1)
      // What comes by a channel later than anything that should not have come.
      for (const from of [b!, c!]) {
        a!.sleep()
        from.wake(0)
        const before = woken[0]!
        yield* until(() => woken[0]! > before)
      }
      assert.deepStrictEqual(woken, [3, 1, 0])
    })
  )

  it.live("wake a thread that another has tried to wake before it was connected to it", () =>
    Effect.gen(function* () {
      const shared = ThreadSignals.allocate(2)
      const mesh = new ThreadSignals.WakeMesh()
      const late: Array<ThreadSignals.WakePort> = []
      const [wakePorts, othersPorts] = [new ThreadSignals.WakePorts(), new ThreadSignals.WakePorts()]
      let woken = 0
      const other = new ThreadSignals.ThreadSignals(shared, 1, othersPorts, () => {})
      const signals = new ThreadSignals.ThreadSignals(shared, 0, wakePorts, () => woken++)
      yield* Effect.addFinalizer(() => Effect.sync(() => (signals.close(), other.close())))
      for (const wakePort of mesh.connect(1, (wakePort) => late.push(wakePort))) othersPorts.add(wakePort)
      for (const wakePort of mesh.connect(0, () => {})) wakePorts.add(wakePort)
      // By the main thread.
      yield* until(() => woken === 1)
      signals.sleep()
      other.wake(0)
      for (const wakePort of late) othersPorts.add(wakePort)
      yield* until(() => woken === 2)
    })
  )

  it.live("keep no process alive", () =>
    Effect.gen(function* () {
      const ports = () => process.getActiveResourcesInfo().filter((name) => name === "MessagePort").length
      const before = ports()
      yield* make
      assert.strictEqual(ports(), before)
    })
  )

  it.live("forget what a thread that has ended had signalled", () =>
    Effect.gen(function* () {
      const { shared, threads } = yield* make
      const [a, b] = threads
      a!.hold()
      a!.isAwaiting = true
      assert.strictEqual(b!.holdsOf(0), 1)
      assert.isTrue(b!.awaits(0))
      ThreadSignals.reset(shared, 0)
      assert.strictEqual(b!.holdsOf(0), 0)
      assert.isFalse(b!.awaits(0))
    })
  )
})
