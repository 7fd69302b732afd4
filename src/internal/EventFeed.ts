import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/** The most events that wait for one consumer. Above it, the oldest are dropped. */
export const FEED_CAPACITY = 1024

/** The most characters in these events. */
export const FEED_CHARACTERS = 8 * 1024 * 1024

/** An event, and the number of events just before it that this consumer missed. */
export type Observed<A> = A & { readonly missed: number }

const observed = <A>(event: A, missed: number): Observed<A> => ({ ...event, missed })

interface Numbered<A> {
  readonly number: number
  readonly event: A
  readonly characters: number
}

/** The events that wait for one consumer. */
interface Backlog<A> {
  readonly queue: Queue.Queue<Numbered<A>, Cause.Done>
  /** In the queue. */
  characters: number
}

/**
 * Publishes events from plain code to any number of streams. Each has its own bounded queue, so that a slow consumer loses its oldest
 * events and delays no other.
 */
export class EventFeed<A extends object> {
  readonly #backlogs = new Set<Backlog<A>>()
  #published = 0
  #missed = 0
  #ended = false

  /** A feed whose streams end with the scope. */
  static readonly make = <A extends object>(): Effect.Effect<EventFeed<A>, never, Scope.Scope> =>
    Effect.acquireRelease(
      Effect.sync(() => new EventFeed<A>()),
      (feed) => Effect.sync(() => feed.#end())
    )

  /** Whether there are consumers; without them no event need be created. */
  get isWatched(): boolean {
    return this.#backlogs.size > 0
  }

  /** Events that consumers have missed, in total. */
  get missed(): number {
    return this.#missed
  }

  /** @param characters the length of the texts in the event */
  publish(event: A, characters = 0): void {
    const numbered = { number: this.#published++, event, characters }
    for (const backlog of this.#backlogs) {
      const { queue } = backlog
      Queue.offerUnsafe(queue, numbered)
      backlog.characters += characters
      while (Queue.sizeUnsafe(queue) > FEED_CAPACITY || backlog.characters > FEED_CHARACTERS) {
        const oldest = Queue.takeUnsafe(queue)
        if (oldest?._tag !== "Success") break
        backlog.characters -= oldest.value.characters
        this.#missed++
      }
    }
  }

  /**
   * The events published from the time at which the stream is run.
   *
   * @param first events at the beginning of the stream, read at that time
   */
  stream(first: () => ReadonlyArray<A> = () => []): Stream.Stream<Observed<A>> {
    return Stream.unwrap(
      Effect.map(this.#subscribe(first), ({ backlog, earlier, from }) => {
        let next = from
        return Stream.concat(
          Stream.fromIterable(earlier.map((event) => observed(event, 0))),
          Stream.map(Stream.fromEffectRepeat(Queue.take(backlog.queue)), ({ characters, event, number }) => {
            backlog.characters -= characters
            const missed = number - next
            next = number + 1
            return observed(event, missed)
          })
        )
      })
    )
  }

  #subscribe(first: () => ReadonlyArray<A>) {
    return Effect.acquireRelease(
      Effect.map(Queue.unbounded<Numbered<A>, Cause.Done>(), (queue) => {
        const backlog: Backlog<A> = { queue, characters: 0 }
        if (this.#ended) Queue.endUnsafe(queue)
        else this.#backlogs.add(backlog)
        return { backlog, earlier: first(), from: this.#published }
      }),
      ({ backlog }) => Effect.sync(() => this.#backlogs.delete(backlog))
    )
  }

  #end(): void {
    this.#ended = true
    for (const { queue } of this.#backlogs) Queue.endUnsafe(queue)
    this.#backlogs.clear()
  }
}
