import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { EventFeed, FEED_CAPACITY, FEED_CHARACTERS } from "../../src/internal/EventFeed.ts"

interface Event {
  readonly n: number
}

/** Consumes a feed in a fiber, and is subscribed when it returns. */
const consume = Effect.fnUntraced(function* <A>(stream: Stream.Stream<A>) {
  const seen: Array<A> = []
  const fiber = yield* stream.pipe(
    Stream.runForEach((event) => Effect.sync(() => seen.push(event))),
    Effect.forkChild({ startImmediately: true })
  )
  return { seen, fiber }
})

describe("Feed", () => {
  it.effect("brings what is published to every stream that runs, and costs nothing without", () =>
    Effect.gen(function* () {
      const feed = yield* EventFeed.make<Event>()
      assert.isFalse(feed.isWatched)
      feed.publish({ n: 0 })
      const a = yield* consume(feed.stream())
      assert.isTrue(feed.isWatched)
      feed.publish({ n: 1 })
      const b = yield* consume(feed.stream(() => [{ n: -1 }]))
      feed.publish({ n: 2 })
      yield* Effect.yieldNow
      yield* Effect.yieldNow
      assert.deepStrictEqual(a.seen, [
        { n: 1, missed: 0 },
        { n: 2, missed: 0 }
      ])
      assert.deepStrictEqual(b.seen, [
        { n: -1, missed: 0 },
        { n: 2, missed: 0 }
      ])
      yield* Fiber.interrupt(a.fiber)
      yield* Fiber.interrupt(b.fiber)
      assert.isFalse(feed.isWatched)
    })
  )

  it.effect("loses the oldest events of a consumer that falls behind, and only its own, and counts them", () =>
    Effect.gen(function* () {
      const feed = yield* EventFeed.make<Event>()
      const take = (count: number) => feed.stream().pipe(Stream.take(count), Stream.runCollect)
      const slow = yield* Effect.forkChild(take(FEED_CAPACITY), { startImmediately: true })
      const quick = yield* consume(feed.stream())
      const published = FEED_CAPACITY + 10
      // Published in one go: the slow consumer's fiber cannot run in between, the quick one's is given its turn.
      for (let n = 0; n < published / 2; n++) feed.publish({ n })
      while (quick.seen.length < published / 2) yield* Effect.yieldNow
      assert.strictEqual(feed.missed, 0)
      for (let n = published / 2; n < published * 2; n++) feed.publish({ n })
      const events = [...(yield* Fiber.join(slow))]
      while (quick.seen.at(-1)?.n !== published * 2 - 1) yield* Effect.yieldNow
      const sum = (seen: ReadonlyArray<{ readonly missed: number }>) =>
        seen.reduce((all, { missed }) => all + missed, 0)
      assert.isAbove(sum(quick.seen), 0)
      for (const seen of [events, quick.seen]) {
        let next = 0
        for (const { missed, n } of seen) {
          assert.strictEqual(n, next + missed)
          next = n + 1
        }
      }
      assert.strictEqual(feed.missed, sum(events) + sum(quick.seen))
    })
  )

  it.effect("holds no more than its characters for a consumer that takes nothing", () =>
    Effect.gen(function* () {
      const feed = yield* EventFeed.make<Event>()
      const stuck = yield* feed.stream().pipe(
        Stream.runForEach(() => Effect.never),
        Effect.forkChild({ startImmediately: true })
      )
      const size = FEED_CHARACTERS / 4
      for (let n = 0; n < 100; n++) {
        feed.publish({ n }, size)
        yield* Effect.yieldNow
      }
      assert.isAtLeast(feed.missed, 95)
      yield* Fiber.interrupt(stuck)
      assert.isFalse(feed.isWatched)
    })
  )

  it.effect("loses, and counts, an event that is longer than all that may wait, and keeps its order", () =>
    Effect.gen(function* () {
      const feed = yield* EventFeed.make<Event>()
      const { fiber, seen } = yield* consume(feed.stream())
      feed.publish({ n: 0 })
      feed.publish({ n: 1 }, FEED_CHARACTERS + 1)
      feed.publish({ n: 2 }, FEED_CHARACTERS)
      while (seen.length === 0) yield* Effect.yieldNow
      assert.deepStrictEqual([seen, feed.missed], [[{ n: 2, missed: 2 }], 2])
      yield* Fiber.interrupt(fiber)
    })
  )

  it.effect("loses nothing of a consumer that keeps up, however much passes", () =>
    Effect.gen(function* () {
      const feed = yield* EventFeed.make<Event>()
      const quick = yield* consume(feed.stream())
      for (let n = 0; n < 100; n++) {
        feed.publish({ n }, FEED_CHARACTERS / 4)
        while (quick.seen.length <= n) yield* Effect.yieldNow
      }
      assert.strictEqual(feed.missed, 0)
      yield* Fiber.interrupt(quick.fiber)
    })
  )

  it.effect("that has ended gives streams that end", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const feed = yield* Scope.provide(EventFeed.make<Event>(), scope)
      const late = feed.stream()
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual([...(yield* Stream.runCollect(late))], [])
      assert.isFalse(feed.isWatched)
    })
  )

  it.effect("ends its streams with its scope, after what was published", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const feed = yield* Scope.provide(EventFeed.make<Event>(), scope)
      const { fiber, seen } = yield* consume(feed.stream())
      feed.publish({ n: 1 })
      yield* Scope.close(scope, Exit.void)
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(seen, [{ n: 1, missed: 0 }])
      assert.isFalse(feed.isWatched)
    })
  )
})
