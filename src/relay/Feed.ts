import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/** What a consumer of a feed may fall behind by; then it loses the oldest. */
export const FEED_CAPACITY = 1024

/** An event, and how many this consumer has lost just before it because it fell behind. */
export type Observed<A> = A & { readonly missed: number }

const observed = <A>(event: A, missed: number): Observed<A> => ({ ...event, missed })

interface Numbered<A> {
  readonly number: number
  readonly event: A
}

/**
 * Brings events from plain code to any number of streams. Each has a bounded queue of its own, so that a slow consumer loses
 * its own oldest events and delays nobody. Without consumers it costs nothing.
 */
export class Feed<A extends object> {
  readonly #queues = new Set<Queue.Queue<Numbered<A>, Cause.Done>>()
  #published = 0
  #missed = 0

  /** A feed whose streams end with the scope. */
  static readonly make = <A extends object>(): Effect.Effect<Feed<A>, never, Scope.Scope> =>
    Effect.acquireRelease(
      Effect.sync(() => new Feed<A>()),
      (feed) => Effect.sync(() => feed.#end())
    )

  /** Whether anybody would see what is published: else it need not be made. */
  get isWatched(): boolean {
    return this.#queues.size > 0
  }

  /** How many events consumers have lost, in all. */
  get missed(): number {
    return this.#missed
  }

  publish(event: A): void {
    const numbered = { number: this.#published++, event }
    for (const queue of this.#queues) Queue.offerUnsafe(queue, numbered)
  }

  /** @param first what every stream begins with, taken when it is run */
  stream(first: () => ReadonlyArray<A> = () => []): Stream.Stream<Observed<A>> {
    return Stream.unwrap(
      Effect.map(this.#subscribe, (queue) => {
        let next = this.#published
        return Stream.concat(
          Stream.fromIterable(first().map((event) => observed(event, 0))),
          Stream.map(Stream.fromQueue(queue), ({ event, number }) => {
            const missed = number - next
            next = number + 1
            this.#missed += missed
            return observed(event, missed)
          })
        )
      })
    )
  }

  readonly #subscribe = Effect.acquireRelease(
    Effect.map(Queue.sliding<Numbered<A>, Cause.Done>(FEED_CAPACITY), (queue) => {
      this.#queues.add(queue)
      return queue
    }),
    (queue) => Effect.sync(() => this.#queues.delete(queue))
  )

  #end(): void {
    for (const queue of this.#queues) Queue.endUnsafe(queue)
    this.#queues.clear()
  }
}
