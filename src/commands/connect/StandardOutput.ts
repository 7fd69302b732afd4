import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ConnectFailure, isDirectory, streamFailed } from "./ConnectFailure.ts"

/** Received lines go to standard output, the status of the connection to standard error. */
export interface StandardOutput {
  /** Writes lines to standard output. Done when it accepts more. */
  readonly write: (lines: string | Uint8Array) => Effect.Effect<void>
  /** Writes one line to standard error. */
  readonly status: (line: string) => void
  /** Done when all lines are written. */
  readonly flushed: Effect.Effect<void>
  /** Done when the reader of standard output is gone, as after `| head -1`. Fails with `ConnectFailure`. */
  readonly closed: Effect.Effect<void, ConnectFailure>
}

/** An interruption must not wait for a reader that has stopped. */
const FLUSH_GRACE = "500 millis"

/** @param around wraps each write; a terminal redraws its input line around it */
export const make = Effect.fnUntraced(function* (
  around: (write: () => void) => void = (write) => write()
): Effect.fn.Return<StandardOutput, ConnectFailure, Scope.Scope> {
  const { stderr, stdout } = process
  if (isDirectory(1))
    return yield* streamFailed("write to standard output", { code: "EISDIR" } as NodeJS.ErrnoException)
  const closed = yield* Deferred.make<void, ConnectFailure>()
  // Never removed: an error after the end of the scope must not crash the process.
  stderr.on("error", () => {})
  stdout.on("error", (error: NodeJS.ErrnoException) =>
    Deferred.doneUnsafe(
      closed,
      error.code === "EPIPE" ? Effect.void : Effect.fail(streamFailed("write to standard output", error))
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
    status: (line) => around(() => void stderr.write(`${line}\n`)),
    flushed,
    closed: Deferred.await(closed)
  }
})
