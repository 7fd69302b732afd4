/** Standard output as a destination of log lines, whose reader may be slow or gone. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import { isStream, writeAll } from "../internal/descriptors.ts"

/** Standard output has no reader any more. */
export class ConsoleClosed extends Schema.TaggedError<ConsoleClosed>()("ConsoleClosed", { reason: Schema.String }) {
  override get message() {
    return `Standard output is closed: ${this.reason}`
  }
}

/** Creates a function that writes lines to standard output. Its effect waits while the reader is slow, without blocking the process. */
export const make: Effect.Effect<(lines: Buffer) => Effect.Effect<void, ConsoleClosed>, never, Scope.Scope> =
  Effect.suspend(() =>
    isStream(STDOUT)
      ? makeStream(process.stdout)
      : Effect.succeed((lines: Buffer) =>
          writeAll(STDOUT, lines).pipe(Effect.retry(Schedule.spaced("1 second")), Effect.orDie)
        )
  )

const STDOUT = 1

type Stdout = NodeJS.WriteStream & {
  readonly _handle?: { readonly setBlocking?: (blocking: boolean) => void }
}

const ignore = () => {}

const makeStream = Effect.fnUntraced(function* (stdout: Stdout) {
  let writing = false
  let failed = false
  // Without a listener an EPIPE ends the process; the callback of the write is what reports it.
  stdout.on("error", ignore)
  // Node writes to a terminal synchronously: Ctrl-S would stop the relay.
  const setBlocking = (blocking: boolean) => {
    if (stdout.isTTY) stdout._handle?.setBlocking?.(blocking)
  }
  setBlocking(false)
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      // An error may still follow.
      if (writing || failed) return
      setBlocking(true)
      stdout.off("error", ignore)
    })
  )
  return (lines: Buffer) =>
    Effect.callback<void, ConsoleClosed>((resume) => {
      writing = true
      stdout.write(lines, (error) => {
        writing = false
        failed = error != null
        resume(failed ? Effect.fail(new ConsoleClosed({ reason: String(error) })) : Effect.void)
      })
    })
})

/** Writes to standard error without waiting, where there is no console log. */
export const complain = (message: string): void => Fs.write(2, `${message}\n`, () => {})
