import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as IncomingLines from "../../client/IncomingLines.ts"
import { type ConnectFailure, isDirectory, streamFailed } from "./ConnectFailure.ts"

/** The lines of standard input, read no faster than they are taken. It is closed with the stream. */
export const standardInput: Stream.Stream<IncomingLines.Line, ConnectFailure> = Stream.unwrap(
  Effect.gen(function* () {
    // Node.js takes a directory for an input that is empty.
    if (yield* Effect.sync(() => isDirectory(0)))
      return Stream.fail(streamFailed(READ, { code: "EISDIR" } as NodeJS.ErrnoException))
    const { stdin } = process
    // An open pipe would keep the process alive.
    yield* Effect.addFinalizer(() => Effect.sync(() => stdin.destroy()))
    const incoming = new IncomingLines.IncomingLines()
    let isDone = false
    const chunk = Effect.callback<Buffer | undefined, ConnectFailure>((resume) => {
      const settle = (result: Effect.Effect<Buffer | undefined, ConnectFailure>) => {
        stop()
        resume(result)
      }
      const look = () => {
        // Without a size: a partial read would get no further `readable` event.
        const bytes = stdin.read() as Buffer | null
        if (bytes !== null) settle(Effect.succeed(bytes))
        else if (stdin.readableEnded || stdin.destroyed) settle(Effect.undefined)
      }
      const fail = (error: Error) => settle(Effect.fail(streamFailed(READ, error)))
      const stop = () => stdin.off("readable", look).off("end", look).off("close", look).off("error", fail)
      stdin.on("readable", look).on("end", look).on("close", look).on("error", fail)
      if (stdin.errored !== null) fail(stdin.errored)
      else look()
      return Effect.sync(stop)
    })
    const pull = Effect.gen(function* () {
      while (!isDone) {
        const bytes = yield* chunk
        isDone = bytes === undefined
        const [first, ...rest] = bytes === undefined ? incoming.end() : incoming.push(bytes)
        if (first !== undefined) return [first, ...rest] as const
      }
      return yield* Cause.done()
    })
    return Stream.fromPull(Effect.succeed(pull))
  })
)

const READ = "read standard input"
