import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { afterEach, beforeEach, vi } from "vitest"
import { ACCEPTED_AHEAD, AcceptQueue, RECEIVED_PER_TURN } from "../../src/transport/AcceptQueue.ts"

/** The next turn of the event loop, after what was scheduled for it before. */
const turn = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))

const start = () => {
  const received: Array<number> = []
  const queue = new AcceptQueue<number>((n) => received.push(n))
  let next = 0
  return {
    received,
    queue,
    accept: (count: number) => {
      for (let i = 0; i < count; i++) queue.push(next++)
    }
  }
}

describe("AcceptQueue", () => {
  // No test waits so long that the queue does.
  beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }))
  afterEach(() => void vi.useRealTimers())

  it.live("receives in order, a few in a turn, once no more arrive", () =>
    Effect.gen(function* () {
      const { accept, received } = start()
      for (let i = 0; i < 10; i++) {
        accept(2)
        yield* turn
        assert.deepStrictEqual(received, [])
      }
      yield* turn
      assert.strictEqual(received.length, RECEIVED_PER_TURN)
      yield* turn
      yield* turn
      assert.deepStrictEqual(
        received,
        Array.from({ length: 20 }, (_, i) => i)
      )
    })
  )

  it.live("receives a connection that has waited for 250 ms, though more arrive in every turn", () =>
    Effect.gen(function* () {
      const { accept, received } = start()
      // One comes every ten milliseconds: the first has waited for 250 once there are 26.
      for (let accepted = 1; accepted <= 25; accepted++) {
        accept(1)
        yield* turn
        assert.deepStrictEqual(received, [])
        vi.advanceTimersByTime(10)
      }
      accept(1)
      yield* turn
      assert.isAbove(received.length, 0)
    })
  )

  it.live("receives at once when as many wait as may", () =>
    Effect.gen(function* () {
      const { accept, received } = start()
      accept(ACCEPTED_AHEAD - 1)
      yield* turn
      assert.strictEqual(received.length, 0)
      accept(1)
      yield* turn
      assert.strictEqual(received.length, RECEIVED_PER_TURN)
    })
  )

  it.live("receives all that wait when it is drained", () =>
    Effect.gen(function* () {
      const { accept, queue, received } = start()
      accept(100)
      queue.drain()
      assert.strictEqual(received.length, 100)
      yield* turn
      yield* turn
      assert.strictEqual(received.length, 100)
    })
  )
})
