import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { CannotConnect, Disconnected, StreamFailed } from "../../src/client/ConnectError.ts"
import * as Retry from "../../src/client/Retry.ts"

const refused = new CannotConnect({ address: "a:1", reason: "connection refused" })
const lost = new Disconnected({ address: "a:1", reason: "reset", isDone: false })

/** The pauses in milliseconds between sessions, each of which fails after `lasts`; the last one succeeds. */
const pauses = Effect.fnUntraced(function* (
  count: number,
  error: CannotConnect | Disconnected,
  lasts: Duration.Input = 0
) {
  const between: Array<number> = []
  const said: Array<string> = []
  let end: number | undefined
  const session = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    if (end !== undefined) between.push(now - end)
    if (between.length === count) return
    yield* Effect.sleep(lasts)
    end = yield* Clock.currentTimeMillis
    return yield* error
  })
  const fiber = yield* Effect.forkChild(Retry.persistently(session, (line) => Effect.sync(() => said.push(line))))
  yield* TestClock.adjust("1 hour")
  yield* Fiber.join(fiber)
  return { between, said }
})

describe("connecting again by connect --retry", () => {
  it.effect("waits about twice as long each time, from 250 ms to 10 s", () =>
    Effect.gen(function* () {
      const { between } = yield* pauses(12, refused)
      for (const [i, pause] of between.entries()) {
        const expected = Math.min(250 * 2 ** i, 10_000 / 1.2)
        assert.isAtLeast(pause, Math.floor(expected * 0.8))
        assert.isAtMost(pause, Math.ceil(Math.min(expected * 1.2, 10_000)))
      }
      assert.isAbove(new Set(between.slice(6)).size, 1)
    })
  )

  it.effect("says why, and for how long it waits", () =>
    Effect.gen(function* () {
      const { said } = yield* pauses(1, refused)
      assert.match(said[0]!, /^cannot connect to a:1: connection refused; next attempt in 0\.[23] s$/)
    })
  )

  it.effect("begins with short pauses again after a connection that lasted", () =>
    Effect.gen(function* () {
      const lasting = yield* pauses(6, lost, "1 minute")
      for (const pause of lasting.between) assert.isAtMost(pause, 300)
      const short = yield* pauses(6, lost, "1 second")
      assert.isAbove(short.between.at(-1)!, 5_000)
    })
  )

  it.effect.each([
    ["everything was sent already", new Disconnected({ address: "a:1", reason: "reset", isDone: true })],
    ["standard input fails", new StreamFailed({ stream: "read standard input", reason: "EIO" })]
  ] as const)("is not tried when %s", ([, error]) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* Effect.flip(Retry.persistently(Effect.fail(error), () => Effect.die("retried"))), error)
    })
  )
})
