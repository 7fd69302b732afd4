import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { reason, StreamFailed } from "./ConnectError.ts"

/** Messages go to standard output, what there is to say about the connection to standard error. */
export interface StandardOutput {
  /** Writes lines; done when standard output can take more. */
  readonly write: (lines: string | Uint8Array) => Effect.Effect<void>
  /** Writes one line to standard error. */
  readonly status: (line: string) => Effect.Effect<void>
  /** Done when everything is written. */
  readonly flushed: Effect.Effect<void>
  /** Done when nobody reads standard output any more, as after `| head -1`. */
  readonly closed: Effect.Effect<void, StreamFailed>
}

/** Whoever interrupts us does not want to wait for a reader that has stopped. */
const FLUSH_GRACE = "500 millis"

/** @param around runs the writes, for a terminal that shows something else in between */
export const make = Effect.fnUntraced(function* (
  around: (write: () => void) => void = (write) => write()
): Effect.fn.Return<StandardOutput, never, Scope.Scope> {
  const { stderr, stdout } = process
  const closed = yield* Deferred.make<void, StreamFailed>()
  // These stay: an error may come after the end, and must not end the process in another way.
  stderr.on("error", () => {})
  stdout.on("error", (error: NodeJS.ErrnoException) =>
    Deferred.doneUnsafe(
      closed,
      error.code === "EPIPE"
        ? Effect.void
        : Effect.fail(new StreamFailed({ stream: "write to standard output", reason: reason(error) }))
    )
  )
  const drained = Effect.callback<void>((resume) => {
    const done = () => resume(Effect.void)
    if (!stdout.writableNeedDrain) return done()
    stdout.once("drain", done)
    return Effect.sync(() => stdout.off("drain", done))
  })
  const write = (lines: string | Uint8Array) =>
    Effect.suspend(() => {
      let isTaken = true
      around(() => {
        isTaken = stdout.write(lines)
      })
      return isTaken ? Effect.void : drained
    })
  const flushed = Effect.callback<void>((resume) => {
    if (stdout.writableLength === 0) return resume(Effect.void)
    stdout.write("", () => resume(Effect.void))
  })
  yield* Effect.addFinalizer(() => Effect.timeoutOption(flushed, FLUSH_GRACE))
  return {
    write,
    status: (line) => Effect.sync(() => around(() => void stderr.write(`${line}\n`))),
    flushed,
    closed: Deferred.await(closed)
  }
})
