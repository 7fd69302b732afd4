/** Standard output as a destination of log lines, whose reader may be slow or gone. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"

/** Standard output has no reader any more. */
export class ConsoleClosed extends Schema.TaggedError<ConsoleClosed>()("ConsoleClosed", { reason: Schema.String }) {
  override get message() {
    return `Standard output is closed: ${this.reason}`
  }
}

/** Creates a function that writes lines to standard output. Its effect waits while the reader is slow, without blocking the process. */
export const make: Effect.Effect<(lines: Buffer) => Effect.Effect<void, ConsoleClosed>, never, Scope.Scope> =
  Effect.gen(function* () {
    const fd = regularFile(process.stdout)
    return fd === undefined ? yield* makeStream(process.stdout) : (lines: Buffer) => writeFile(fd, lines)
  })

type Stdout = NodeJS.WriteStream & {
  readonly fd?: number
  readonly _handle?: { readonly setBlocking?: (blocking: boolean) => void }
}

const regularFile = ({ fd }: Stdout): number | undefined => {
  try {
    return fd !== undefined && Fs.fstatSync(fd).isFile() ? fd : undefined
  } catch {
    return undefined
  }
}

// Node writes a redirected standard output synchronously and gives up on a full disk.
const writeFile = (fd: number, lines: Buffer): Effect.Effect<void> => {
  let rest = lines
  return Effect.callback<number, NodeJS.ErrnoException>((resume) => {
    Fs.write(fd, rest, (error, written) => resume(error === null ? Effect.succeed(written) : Effect.fail(error)))
  }).pipe(
    Effect.retry(Schedule.spaced("1 second")),
    Effect.tap((written) =>
      Effect.sync(() => {
        rest = rest.subarray(written)
      })
    ),
    Effect.repeat({ while: () => rest.length > 0 }),
    Effect.orDie,
    Effect.asVoid
  )
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
