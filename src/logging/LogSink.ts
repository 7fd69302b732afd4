/**
 * The bounded buffer between whoever logs and one destination of log lines.
 *
 * Taking a line is plain synchronous code and never waits; a fiber writes what has gathered, one write for many lines.
 * A destination that does not keep up costs lines, which are counted and said, never memory or time.
 */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"

/** One destination of log lines. */
export interface LogSink {
  /**
   * Whether a line would be taken now; when not, it is counted as dropped. Asked before a line is formatted, so that
   * lines nobody can read cost next to nothing.
   */
  readonly admitUnsafe: () => boolean
  /** Takes one line, without its newline. */
  readonly pushUnsafe: (line: string) => void
  /** How many lines were dropped so far. */
  readonly droppedUnsafe: () => number
  /** Waits until everything taken so far is written, or the sink has given up. */
  readonly flush: Effect.Effect<void>
}

/** The least time between two writes, in milliseconds: what is logged meanwhile is written together. */
const GATHER_MILLIS = 50

/** Characters that need not wait any longer. */
const BATCH_LENGTH = 64 * 1024

/** Bytes that may wait for, or be in, a write. */
const CAPACITY_BYTES = 4 * 1024 * 1024

/**
 * Creates a sink and the fiber that writes it. Whoever closes the scope flushes first.
 *
 * @param options.write writes whole lines; a failure turns the sink off, so what can be repaired is repaired inside
 * @param options.onFailure told why the sink is off
 * @param options.droppedLine the line that tells how many lines are missing at its place
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
  // Lines dropped and not yet said. While there are any, none are taken, so that one line can say where they are missing.
  let missing = 0

  let text = ""
  let batches: Array<Buffer> = []
  // Bytes in `batches` and in the write that is under way.
  let heldBytes = 0

  // Encoded early, because a string may keep the far longer one alive that it was cut from.
  const encode = () => {
    if (text === "") return
    const batch = Buffer.from(text)
    text = ""
    batches.push(batch)
    heldBytes += batch.length
  }

  const push = (line: string) => {
    if (!on) return
    text += line + "\n"
    idle.closeUnsafe()
    if (text.length >= BATCH_LENGTH) {
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
    batches = []
    return Effect.map(options.write(batch), () => {
      heldBytes -= batch.length
    })
  })

  yield* Effect.gen(function* () {
    while (true) {
      yield* filled.await
      // Never longer, also when the clock has been set back.
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
    Effect.catchCause((cause) => Effect.sync(() => options.onFailure(cause))),
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
    flush: Effect.suspend(() => {
      flushing++
      if (idle.isOpen()) return Effect.void
      urgent.openUnsafe()
      return idle.await
    }).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          flushing--
        })
      )
    )
  }
})
