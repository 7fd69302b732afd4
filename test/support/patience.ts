import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"

/** Only what hangs meets it: tests await events, on the slowest machine too. */
export const PATIENCE = "120 seconds"

/** Fails a test that waits for ever. */
export const patiently = <A>(effect: Effect.Effect<A>, what: string) =>
  Effect.timeoutOrElse(effect, {
    duration: PATIENCE,
    orElse: () => Effect.die(new Error(`waited too long for ${what}`))
  })

/** The next of a queue. One that is there already costs neither a fiber nor a timer: most are, and tests take thousands. */
export const next = <A>(queue: Queue.Dequeue<A>, what: string): Effect.Effect<A> =>
  Effect.suspend(() => Queue.takeUnsafe(queue) ?? patiently(Queue.take(queue), what))

/** The next ones of a queue. */
export const nextOf = Effect.fnUntraced(function* <A>(queue: Queue.Dequeue<A>, count: number, what: string) {
  const taken: Array<A> = []
  while (taken.length < count) taken.push(yield* next(queue, what))
  return taken
})
