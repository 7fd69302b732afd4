import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { reason, StreamFailed } from "./ConnectError.ts"

/** What is to be sent, in bytes of lines. Nobody may wait for it twice at a time. */
export interface Input {
  /** Done as soon as `takeUnsafe` may have something, or the input has ended. */
  readonly ready: Effect.Effect<void, StreamFailed>
  /** The next bytes, if there are any. Taking is apart from waiting, so that an interruption loses nothing. */
  readonly takeUnsafe: () => Uint8Array | undefined
  /** Nothing will come any more, and all is taken. */
  readonly isEndedUnsafe: () => boolean
}

/** Standard input as it comes, read no faster than it is taken. It is closed with the scope. */
export const standardInput: Effect.Effect<Input, never, Scope.Scope> = Effect.gen(function* () {
  const { stdin } = process
  const signal = makeSignal()
  let isEnded = false
  let failure: StreamFailed | undefined
  const end = () => {
    isEnded = true
    signal.notify()
  }
  const fail = (error: NodeJS.ErrnoException) => {
    failure ??= new StreamFailed({ stream: "read standard input", reason: reason(error) })
    signal.notify()
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => stdin.on("readable", signal.notify).on("end", end).on("close", end).on("error", fail)),
    // Else a writer that goes on would keep the process alive.
    () => Effect.sync(() => stdin.destroy())
  )
  return {
    ready: Effect.andThen(
      signal.wait,
      Effect.suspend(() => (failure === undefined ? Effect.void : Effect.fail(failure)))
    ),
    // All that is there: more of it is another event.
    takeUnsafe: () => stdin.read() ?? undefined,
    isEndedUnsafe: () => isEnded
  }
})

/** Wakes the one who waits; a call that finds nobody waiting counts for the next wait. */
export const makeSignal = () => {
  let isDue = false
  let waiter: (() => void) | undefined
  return {
    notify: (): void => {
      isDue = true
      waiter?.()
    },
    wait: Effect.callback<void>((resume) => {
      const wake = () => {
        waiter = undefined
        isDue = false
        resume(Effect.void)
      }
      if (isDue) return wake()
      waiter = wake
      return Effect.sync(() => {
        waiter = undefined
      })
    })
  }
}
