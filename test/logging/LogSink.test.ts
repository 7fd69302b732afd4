import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as TestClock from "effect/testing/TestClock"
import * as LogSink from "../../src/logging/LogSink.ts"

const LINE = "x".repeat(99)

const log = (sink: LogSink.LogSink, line: string) => {
  if (sink.admitUnsafe()) sink.pushUnsafe(line)
}

const make = Effect.fnUntraced(function* (capacityBytes?: number) {
  const reading = yield* Latch.make(true)
  const writes: Array<string> = []
  const sink = yield* LogSink.make({
    write: (lines) =>
      reading.whenOpen(
        Effect.sync(() => {
          writes.push(lines.toString())
        })
      ),
    onFailure: () => {},
    droppedLine: (count) => `${count} dropped`,
    capacityBytes
  })
  return { sink, writes, reading }
})

describe("LogSink", () => {
  it.effect("writes a line at once, and the lines of the 50 ms after a write together", () =>
    Effect.gen(function* () {
      const { sink, writes } = yield* make()
      log(sink, "a")
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(writes, ["a\n"])
      log(sink, "b")
      yield* TestClock.adjust("30 millis")
      log(sink, "c")
      yield* TestClock.adjust("19 millis")
      assert.deepStrictEqual(writes, ["a\n"])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(writes, ["a\n", "b\nc\n"])
    })
  )

  it.effect("does not wait when there is much to write", () =>
    Effect.gen(function* () {
      const { sink, writes } = yield* make()
      for (let i = 0; i < 700; i++) log(sink, LINE)
      yield* TestClock.adjust(0)
      assert.isAbove(writes.join("").length, 64 * 1024)
    })
  )

  it.effect("writes in order, and only once, whatever is logged during a write", () =>
    Effect.gen(function* () {
      const { reading, sink, writes } = yield* make()
      yield* reading.close
      const expected: Array<string> = []
      for (let i = 0; i < 5000; i++) {
        expected.push(`${i} ${LINE}\n`)
        log(sink, `${i} ${LINE}`)
        if (i === 2000) yield* TestClock.adjust("50 millis")
        if (i === 4000) yield* reading.open
      }
      yield* sink.flush
      assert.strictEqual(writes.join(""), expected.join(""))
      assert.strictEqual(sink.droppedUnsafe(), 0)
    })
  )

  it.effect("flushes without waiting for the time to pass", () =>
    Effect.gen(function* () {
      const { sink, writes } = yield* make()
      log(sink, "a")
      yield* sink.flush
      assert.deepStrictEqual(writes, ["a\n"])
      yield* sink.flush
    })
  )

  it.effect("drops, counts and says what it cannot hold while nobody reads", () =>
    Effect.gen(function* () {
      const { reading, sink, writes } = yield* make(1000)
      yield* reading.close
      for (let i = 0; i < 25; i++) log(sink, LINE)
      yield* TestClock.adjust("1 hour")
      log(sink, LINE)
      assert.strictEqual(sink.droppedUnsafe(), 16)
      assert.deepStrictEqual(writes, [])
      yield* reading.open
      yield* sink.flush
      assert.strictEqual(writes.join(""), `${LINE}\n`.repeat(10) + "16 dropped\n")
    })
  )

  it.effect("says what is missing where it is missing, before anything newer, and takes lines again", () =>
    Effect.gen(function* () {
      const { reading, sink, writes } = yield* make(150)
      yield* reading.close
      for (const line of [LINE, LINE, "lost"]) log(sink, line)
      yield* reading.open
      yield* TestClock.adjust("100 millis")
      log(sink, "newer")
      yield* sink.flush
      assert.strictEqual(writes.join(""), `${LINE}\n${LINE}\n1 dropped\nnewer\n`)
      yield* reading.close
      for (const line of [LINE, LINE, "lost", "lost"]) log(sink, line)
      yield* reading.open
      yield* sink.flush
      assert.isTrue(writes.join("").endsWith("2 dropped\n"))
      assert.strictEqual(sink.droppedUnsafe(), 3)
    })
  )

  it.effect("says it once, when it has caught up, though room appears earlier", () =>
    Effect.gen(function* () {
      const { reading, sink, writes } = yield* make(400_000)
      yield* reading.close
      const line = "x".repeat(70_000)
      for (const count of [2, 5]) {
        for (let i = 0; i < count; i++) log(sink, line)
        yield* TestClock.adjust("50 millis")
      }
      assert.strictEqual(sink.droppedUnsafe(), 1)
      yield* reading.release
      yield* TestClock.adjust("50 millis")
      assert.isAbove(writes.length, 0)
      log(sink, line)
      yield* reading.open
      yield* sink.flush
      assert.strictEqual(writes.join(""), `${line}\n`.repeat(6) + "2 dropped\n")
    })
  )

  it.effect("counts bytes, not characters, in what it holds", () =>
    Effect.gen(function* () {
      const { reading, sink } = yield* make(1_000_000)
      yield* reading.close
      const line = "語".repeat(10_000)
      let taken = 0
      while (sink.admitUnsafe() && taken < 1000) {
        sink.pushUnsafe(line)
        taken++
      }
      // 30 000 bytes each, and at most 64 Ki characters not yet encoded.
      assert.isBelow(taken, 40)
      yield* reading.open
    })
  )

  it.effect("turns itself off, and says why, when its destination is gone", () =>
    Effect.gen(function* () {
      const failed = yield* Deferred.make<string>()
      const sink = yield* LogSink.make({
        write: () => Effect.fail("EPIPE"),
        onFailure: (cause) => Deferred.doneUnsafe(failed, Effect.succeed(String(cause))),
        droppedLine: String
      })
      log(sink, "a")
      yield* sink.flush
      assert.include(yield* Deferred.await(failed), "EPIPE")
      assert.isFalse(sink.admitUnsafe())
      log(sink, "b")
      yield* sink.flush
    })
  )

  it.effect("can be given up while it flushes", () =>
    Effect.gen(function* () {
      const { reading, sink } = yield* make()
      yield* reading.close
      log(sink, "a")
      const fiber = yield* Effect.forkChild(sink.flush.pipe(Effect.timeoutOption("2 seconds")))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "None")
    })
  )
})
