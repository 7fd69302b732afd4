import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { codeOfSignal, untilSignal } from "../../src/commands/exitProcess.ts"

describe("the exit code after a signal", () => {
  it.effect("is that of the signal, and 0 for what goes on until one comes", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual([codeOfSignal("SIGINT"), codeOfSignal("SIGTERM")], [130, 143])
      const service = yield* Effect.forkChild(untilSignal(Effect.never), { startImmediately: true })
      yield* Fiber.interrupt(service)
      assert.deepStrictEqual([codeOfSignal("SIGINT"), codeOfSignal("SIGTERM")], [0, 0])
    })
  )
})
