import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { ACCEPTED_AHEAD, AcceptQueue, RECEIVED_PER_TURN } from "../../src/listen/AcceptQueue.ts"

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

  it.live("does not wait for ever for a quiet turn", () =>
    Effect.gen(function* () {
      const { accept, received } = start()
      let accepted = 0
      // Turns as long as those of a busy server, so that not the number of those who wait ends the wait.
      const work = Effect.sync(() => {
        for (const until = performance.now() + 2; performance.now() < until;) continue
      })
      const busyTurn = Effect.andThen(work, turn)
      while (received.length < 100) {
        accept(1)
        accepted++
        yield* busyTurn
      }
      assert.isBelow(accepted, ACCEPTED_AHEAD)
    })
  )

  it.live("does not keep more than so many waiting", () =>
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

  it.live("leaves nobody behind at the end", () =>
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
