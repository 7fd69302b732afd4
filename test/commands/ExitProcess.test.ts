import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/** The module as in a program that has just begun: others in this process may have ended a service. */
const { codeOfSignal, untilSignal }: typeof import("../../src/commands/exitProcess.ts") = await import(
  `../../src/commands/exitProcess.ts${"?anew"}`
)

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
