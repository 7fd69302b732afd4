/**
 * The bounded buffer before one destination of log lines. Taking a line is synchronous and never waits; a fiber writes many lines at once. Lines
 * that a slow destination does not take are dropped, counted and reported.
 */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import { releaseMemory } from "../internal/releaseMemory.ts"

export interface LogSink {
  /** Whether a line would be taken now; if not, it counts as dropped. Asked before formatting, so that a dropped line costs next to nothing. */
  readonly admitUnsafe: () => boolean
  /** Takes one line, without its newline. One that is urgent is written at once, with those before it. */
  readonly pushUnsafe: (line: string, isUrgent?: boolean) => void
  readonly droppedUnsafe: () => number
  /** How many lines are taken and not yet written. */
  readonly waitingUnsafe: () => number
  /** Waits until everything taken so far is written, or the sink has given up. */
  readonly flush: Effect.Effect<void>
}

/** The least time between two writes, in milliseconds. */
const GATHER_MILLIS = 50

/** Characters that are written without waiting. */
const BATCH_LENGTH = 64 * 1024

/** Bytes that may wait for a write or be in one. */
const CAPACITY_BYTES = 4 * 1024 * 1024

/**
 * Creates a sink and the fiber that writes it. Flush it before closing the scope.
 *
 * @param options.write writes whole lines, which are gone when it is done, and retries; a failure turns the sink off
 * @param options.onFailure called when the sink is turned off
 * @param options.droppedLine the line that replaces dropped ones
 * @param options.capacityBytes the bound of the buffer in bytes, 4 MiB by default
 */
export const make: (options: {
  readonly write: (lines: Buffer) => Effect.Effect<void, unknown>
  readonly onFailure: (cause: Cause.Cause<unknown>) => void
  readonly droppedLine: (count: number) => string
  readonly capacityBytes?: number | undefined
}) => Effect.Effect<LogSink, never, Scope.Scope> = Effect.fnUntraced(function* (options) {
  const capacityBytes = options.capacityBytes ?? CAPACITY_BYTES
  const filled = Latch.makeUnsafe(false)
  const urgent = Latch.makeUnsafe(false)
  const idle = Latch.makeUnsafe(true)

  const clock = yield* Clock.Clock
  let lastWriteMillis = -Infinity

  let on = true
  let flushing = 0
  let dropped = 0
  // Dropped lines not yet reported. Meanwhile no line is taken, so that the report stands in their place.
  let missing = 0

  let waiting = 0
  let text = ""
  let batches: Array<Buffer> = []
  // Bytes in `batches` and in the write that is under way.
  let heldBytes = 0

  // A substring keeps the far longer string alive that it was cut from; bytes do not.
  const encode = () => {
    if (text === "") return
    const batch = Buffer.from(text)
    text = ""
    batches.push(batch)
    heldBytes += batch.length
  }

  const push = (line: string, isUrgent = false) => {
    if (!on) return
    text += line + "\n"
    waiting++
    idle.closeUnsafe()
    if (isUrgent || text.length >= BATCH_LENGTH) {
      encode()
      urgent.openUnsafe()
    }
    filled.openUnsafe()
  }

  const sayMissing = () => {
    if (missing === 0) return
    const count = missing
    missing = 0
    push(options.droppedLine(count))
  }

  const writeHeld = Effect.suspend(() => {
    encode()
    const batch = batches.length === 1 ? batches[0]! : Buffer.concat(batches)
    const { length } = batch
    const lines = waiting
    if (batches.length > 1) for (const part of batches) releaseMemory(part)
    batches = []
    return Effect.map(options.write(batch), () => {
      releaseMemory(batch)
      heldBytes -= length
      waiting -= lines
    })
  })

  yield* Effect.gen(function* () {
    while (true) {
      yield* filled.await
      // Bounded also when the clock has been set back.
      const wait = Math.min(GATHER_MILLIS, lastWriteMillis + GATHER_MILLIS - clock.currentTimeMillisUnsafe())
      if (flushing === 0 && wait > 0) yield* Effect.timeoutOption(urgent.await, wait)
      urgent.closeUnsafe()
      yield* writeHeld
      lastWriteMillis = clock.currentTimeMillisUnsafe()
      if (heldBytes === 0 && text === "") sayMissing()
      if (heldBytes === 0 && text === "") {
        filled.closeUnsafe()
        idle.openUnsafe()
      }
    }
  }).pipe(
    Effect.catchCause((cause) =>
      Effect.sync(() => {
        waiting = 0
        options.onFailure(cause)
      })
    ),
    Effect.ensuring(
      Effect.sync(() => {
        on = false
        text = ""
        batches = []
        idle.openUnsafe()
      })
    ),
    Effect.forkScoped
  )

  return {
    admitUnsafe() {
      if (!on) return false
      if (missing === 0 && heldBytes + text.length < capacityBytes) return true
      missing++
      dropped++
      return false
    },
    pushUnsafe: push,
    droppedUnsafe: () => dropped,
    waitingUnsafe: () => waiting,
    flush: Effect.suspend(() => {
      flushing++
      if (idle.isOpen()) return Effect.void
      urgent.openUnsafe()
      return idle.await
    }).pipe(Effect.ensuring(Effect.sync(() => void flushing--)))
  }
})
