import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Input from "../../src/client/Input.ts"

describe("a signal of input", () => {
  it.effect("that came early wakes the next wait, once", () =>
    Effect.gen(function* () {
      const { notify, wait } = Input.makeSignal()
      notify()
      notify()
      yield* wait
      const waiting = yield* Effect.forkChild(wait)
      for (let turn = 0; turn < 10; turn++) yield* Effect.yieldNow
      assert.isUndefined(waiting.pollUnsafe())
      notify()
      yield* Fiber.join(waiting)
    })
  )
})
