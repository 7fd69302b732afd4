import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import * as ConnectionSpan from "../../src/session/ConnectionSpan.ts"
import { SLOW } from "../../src/session/Incidents.ts"
import { MemoryConnection } from "../../src/testing/MemoryConnection.ts"

const recorder = () => {
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  return { spans, traced: Effect.provideService(Tracer.Tracer, tracer) }
}

describe("ConnectionSpan", () => {
  it.effect("is not made while nobody traces", () =>
    Effect.gen(function* () {
      assert.isUndefined(yield* ConnectionSpan.make)
      const off = Effect.provideService(References.TracerEnabled, false)
      assert.isUndefined(yield* ConnectionSpan.make.pipe(recorder().traced, off))
      assert.isDefined(yield* ConnectionSpan.make.pipe(recorder().traced))
    })
  )

  it.effect("is a trace of its own, with the address taken apart", () =>
    Effect.gen(function* () {
      const { spans, traced } = recorder()
      yield* Effect.gen(function* () {
        const trace = yield* ConnectionSpan.make
        yield* trace!(new MemoryConnection("[2001:db8::1]:5000"), () => Effect.void)
      }).pipe(Effect.withSpan("host program"), traced)
      const span = spans.find(({ name }) => name === "connection")!
      assert.isTrue(span.parent._tag === "None")
      assert.strictEqual(span.attributes.get("client.address"), "2001:db8::1")
      assert.strictEqual(span.attributes.get("client.port"), 5000)
    })
  )

  it.effect("has at most 128 events, and counts the others", () =>
    Effect.gen(function* () {
      const { spans, traced } = recorder()
      const trace = yield* ConnectionSpan.make.pipe(traced)
      const session = (span: ConnectionSpan.ConnectionSpan) =>
        Effect.sync(() => {
          for (let i = 0; i < 1000; i++) span.incident(SLOW, 1)
        })
      yield* trace!(new MemoryConnection("127.0.0.1:5000"), session).pipe(traced)
      assert.strictEqual(spans[0]!.events.length, 128)
      assert.strictEqual(spans[0]!.attributes.get("summoner.events.dropped"), 872)
    })
  )

  it.effect("ends with a session that fails to end it", () =>
    Effect.gen(function* () {
      const { spans, traced } = recorder()
      const trace = yield* ConnectionSpan.make.pipe(traced)
      yield* Effect.exit(trace!(new MemoryConnection("127.0.0.1:5000"), () => Effect.die("broken"))).pipe(traced)
      const { attributes, status } = spans[0]!
      assert.strictEqual(attributes.get("summoner.disconnect.reason"), "internal error")
      assert.isTrue(status._tag === "Ended" && status.exit._tag === "Failure")
    })
  )
})
