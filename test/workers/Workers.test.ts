import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import type { Report } from "../../src/workers/Messages.ts"
import { untilStuck } from "../../src/workers/Workers.ts"

const someReport = () => ({ _tag: "Report" }) as Report

describe("untilStuck", () => {
  it.effect("waits for thirty seconds without a report", () =>
    Effect.gen(function* () {
      const worker = { report: someReport() }
      const stuck = yield* Effect.forkChild(untilStuck(worker), { startImmediately: true })
      for (let second = 0; second < 100; second++) {
        worker.report = someReport()
        yield* TestClock.adjust("1 second")
      }
      yield* TestClock.adjust("29 seconds")
      assert.isUndefined(stuck.pollUnsafe())
      worker.report = someReport()
      yield* TestClock.adjust("30 seconds")
      assert.isUndefined(stuck.pollUnsafe())
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(stuck)
    })
  )

  it.effect("does not wait for one that has not begun to report", () =>
    Effect.gen(function* () {
      const worker: { report: Report | undefined } = { report: undefined }
      const stuck = yield* Effect.forkChild(untilStuck(worker), { startImmediately: true })
      yield* TestClock.adjust("1 hour")
      assert.isUndefined(stuck.pollUnsafe())
    })
  )
})
