/** What a command prints: it succeeds only if all of it was written. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { format } from "node:util"
import { isStream, writeAll } from "../internal/descriptors.ts"

export class OutputError extends Schema.TaggedError<OutputError>()("OutputError", {
  /** Of the operating system: `ENOSPC`. */
  code: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `cannot write to standard output: ${this.reason}`
  }
}

const STDOUT = 1

const writeStream = (text: Buffer) =>
  Effect.callback<void, NodeJS.ErrnoException>((resume) => {
    process.stdout.on("error", () => {})
    process.stdout.write(text, (error) => resume(error == null ? Effect.void : Effect.fail(error)))
  })

const write = (text: Buffer): Effect.Effect<void, OutputError> =>
  (isStream(STDOUT) ? writeStream(text) : writeAll(STDOUT, text)).pipe(
    // The reader has what it wants, as after `| head -1`.
    Effect.catchIf(
      ({ code }) => code === "EPIPE",
      () => Effect.void
    ),
    Effect.mapError(({ code = "unknown", message }) => new OutputError({ code, reason: message }))
  )

/** Runs commands, and then writes what they have printed with `Console.log`. */
export const flushed = <A, E, R>(commands: Effect.Effect<A, E, R>): Effect.Effect<A, E | OutputError, R> =>
  Effect.suspend(() => {
    const printed: Array<string> = []
    const console: Console.Console = Object.assign(Object.create(globalThis.console), {
      log: (...values: ReadonlyArray<unknown>) => void printed.push(`${format(...values)}\n`)
    })
    return Effect.exit(Effect.provideService(commands, Console.Console, console)).pipe(
      Effect.tap(() => (printed.length === 0 ? Effect.void : write(Buffer.from(printed.join(""))))),
      Effect.flatten
    )
  })
