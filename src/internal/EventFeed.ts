import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/** The most events that wait for one consumer. Above it, the oldest are dropped. */
export const FEED_CAPACITY = 1024

/** The most characters in these events. Above it, the oldest are dropped. */
export const FEED_CHARACTERS = 8 * 1024 * 1024

/** An event, and the number of events just before it that this consumer missed. */
export type Observed<A> = A & { readonly missed: number }

const observed = <A>(event: A, missed: number): Observed<A> => ({ ...event, missed })

interface Numbered<A> {
  readonly number: number
  readonly event: A
  readonly characters: number
}

/** A running stream. */
interface Consumer<A> {
  readonly queue: Queue.Queue<Numbered<A>, Cause.Done>
  /** In the queue. */
  characters: number
}

/**
 * Publishes events from plain code to any number of streams. Each has its own bounded queue, so that a slow consumer loses its oldest
 * events and delays no other.
 */
export class EventFeed<A extends object> {
  readonly #consumers = new Set<Consumer<A>>()
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
    return this.#consumers.size > 0
  }

  /** Events that consumers have missed, in total. */
  get missed(): number {
    return this.#missed
  }

  /** @param characters length of the texts in the event */
  publish(event: A, characters = 0): void {
    const numbered = { number: this.#published++, event, characters }
    for (const consumer of this.#consumers) this.#offer(consumer, numbered)
  }

  /** Not a sliding queue: that does not report what it drops, which `missed` and the limit on characters need. */
  #offer(consumer: Consumer<A>, numbered: Numbered<A>): void {
    const { queue } = consumer
    while (consumer.characters + numbered.characters > FEED_CHARACTERS || !Queue.offerUnsafe(queue, numbered)) {
      const oldest = Queue.takeUnsafe(queue)
      this.#missed++
      // The event alone exceeds the limit.
      if (oldest?._tag !== "Success") return
      consumer.characters -= oldest.value.characters
    }
    consumer.characters += numbered.characters
  }

  /** The events published from the time at which the stream is run. `first`: events at the beginning of the stream, read at that time. */
  stream(first: () => ReadonlyArray<A> = () => []): Stream.Stream<Observed<A>> {
    return Stream.unwrap(
      Effect.map(this.#subscribe(first), ({ consumer, earlier, from }) => {
        let next = from
        return Stream.concat(
          Stream.fromIterable(earlier.map((event) => observed(event, 0))),
          Stream.map(Stream.fromEffectRepeat(Queue.take(consumer.queue)), ({ characters, event, number }) => {
            consumer.characters -= characters
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
      Effect.map(Queue.bounded<Numbered<A>, Cause.Done>(FEED_CAPACITY), (queue) => {
        const consumer: Consumer<A> = { queue, characters: 0 }
        if (this.#ended) Queue.endUnsafe(queue)
        else this.#consumers.add(consumer)
        return { consumer, earlier: first(), from: this.#published }
      }),
      ({ consumer }) => Effect.sync(() => this.#consumers.delete(consumer))
    )
  }

  #end(): void {
    this.#ended = true
    for (const { queue } of this.#consumers) Queue.endUnsafe(queue)
    this.#consumers.clear()
  }
}
