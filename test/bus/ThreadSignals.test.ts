import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ThreadSignals from "../../src/bus/ThreadSignals.ts"
import { until } from "../support/Server.ts"

/** Signals of three threads, and how often each was woken. */
const make = Effect.gen(function* () {
  const shared = ThreadSignals.allocate("a room of a test", 3)
  const woken = [0, 0, 0]
  const threads = yield* Effect.forEach(woken, (_, index) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const others = [0, 1, 2].filter((other) => other !== index)
        return new ThreadSignals.ThreadSignals(shared, index, others, () => woken[index]!++)
      }),
      (signals) => Effect.sync(() => signals.close())
    )
  )
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
