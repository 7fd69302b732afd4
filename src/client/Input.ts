import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import { reason, StreamFailed } from "./ConnectError.ts"

/** The bytes to send, as lines. One consumer at a time. */
export interface Input {
  /** Done when `takeUnsafe` may have bytes, or the input has ended. Fails with `StreamFailed`. */
  readonly ready: Effect.Effect<void, StreamFailed>
  /** The next bytes, if any. Separate from waiting, so that an interruption loses nothing. */
  readonly takeUnsafe: () => Uint8Array | undefined
  /** Whether the input has ended and all of it is taken. */
  readonly isEndedUnsafe: () => boolean
}

/** Standard input, read no faster than it is taken. It is closed with the scope. */
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
    // An open pipe would keep the process alive.
    () => Effect.sync(() => stdin.destroy())
  )
  return {
    ready: Effect.andThen(
      signal.wait,
      Effect.suspend(() => (failure === undefined ? Effect.void : Effect.fail(failure)))
    ),
    // Without a size: a partial read would get no further `readable` event.
    takeUnsafe: () => stdin.read() ?? undefined,
    isEndedUnsafe: () => isEnded
  }
})

/** Wakes the waiting fiber; without one, the next `wait` returns at once. */
export const makeSignal = () => {
  const latch = Latch.makeUnsafe(false)
  return { notify: () => void latch.openUnsafe(), wait: Effect.andThen(latch.await, latch.close) }
}
