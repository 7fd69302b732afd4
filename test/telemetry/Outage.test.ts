import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { RelayLogger } from "../../src/logging/RelayLogger.ts"
import { Telemetry } from "../../src/telemetry/Telemetry.ts"
import * as Collector from "../support/Collector.ts"
import * as Loopback from "../support/Loopback.ts"

/** An exporter without a server, and what the log here says. */
const run = Effect.fnUntraced(function* (endpoint: string) {
  const lines: Array<string> = []
  const scope = yield* Scope.fork(yield* Effect.scope)
  const context = yield* Telemetry.layer({ name: "x", endpoint }).pipe(
    Layer.provideMerge(RelayLogger.layerTest(lines)),
    Layer.buildWithScope(scope),
    Effect.provideService(FetchHttpClient.Fetch, countedFetch)
  )
  return {
    /** The lines about the collector. */
    complaints: () => lines.filter((line) => line.includes("OpenTelemetry")),
    log: (text: string) => Effect.provideContext(Effect.logInfo(text), context),
    span: (name: string) => Effect.provideContext(Effect.withSpan(Effect.void, name), context),
    lost: () => Context.get(context, Telemetry).lostUnsafe(),
    stop: Scope.close(scope, Exit.void)
  }
})

/** A header of answers that never end. */
const ENDLESS = "x-endless"

/** Requests without an answer so far. */
let unanswered = 0

/** Bytes that were read of answers that never end. */
let endlessBytes = 0

/** Nothing is read ahead: every byte was asked for. */
const counted = (body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> => {
  const reader = body.getReader()
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const { done, value } = await reader.read()
        if (done) return controller.close()
        endlessBytes += value.length
        controller.enqueue(value)
      },
      cancel: (reason) => reader.cancel(reason)
    },
    { highWaterMark: 0 }
  )
}

/** The real one, counted, so that a test clock can wait for the network. */
const countedFetch: typeof fetch = async (input, init) => {
  unanswered++
  try {
    const response = await fetch(input, init)
    const { headers, status } = response
    // There is nothing to wait for.
    if (headers.has(ENDLESS)) return new Response(counted(response.body!), { status, headers })
    return new Response(await response.arrayBuffer(), { status, headers })
  } finally {
    unanswered--
  }
}

/**
 * Lets everything happen that does not wait for time to go by.
 *
 * @param hanging requests that get no answer
 */
const settle = (hanging = 0) =>
  Effect.promise(async () => {
    for (let quiet = 0; quiet < 10; quiet = unanswered > hanging ? 0 : quiet + 1) {
      await new Promise((resolve) => setImmediate(resolve))
    }
  })

/** Time goes by, in small steps between which requests are answered. */
const pass = Effect.fnUntraced(function* (seconds: number, hanging?: number) {
  for (let second = 0; second < seconds; second++) {
    yield* TestClock.adjust("1 second")
    yield* settle(hanging)
  }
})

/** The endpoint of a collector that is not there. */
const endpointOf = ({ host, port }: Loopback.Address) => `http://${host}:${port}`

describe("a collector that is not there", () => {
  it.effect("costs one warning, however long, and loses what is counted", () =>
    Effect.gen(function* () {
      const { complaints, log, lost, span } = yield* run(endpointOf(Loopback.address()))
      for (let minute = 0; minute < 3; minute++) {
        yield* log("hello")
        yield* span("work")
        yield* pass(20)
      }
      assert.strictEqual(complaints().length, 1)
      assert.match(
        complaints()[0]!,
        /^WARNING OpenTelemetry collector: http:\S+\/v1\/\w+ cannot be reached \(ECONNREFUSED\); /
      )
      assert.deepStrictEqual(lost(), { logRecords: 3, spans: 3 })
    })
  )

  it.effect("is exported to once it is there: one line says so, with what was lost", () =>
    Effect.gen(function* () {
      const address = Loopback.address()
      const { complaints, log, span, stop } = yield* run(endpointOf(address))
      yield* log("early")
      yield* pass(20)
      const collector = yield* Collector.start(address)
      yield* log("late")
      yield* span("late")
      yield* pass(11)
      yield* collector.until("logs and a span", () => collector.logs.length > 0 && collector.spans.length > 0)
      assert.deepStrictEqual(
        collector.logs.map(({ body }) => body),
        ["late"]
      )
      assert.strictEqual(complaints().length, 1)
      yield* pass(40)
      assert.deepStrictEqual(complaints().slice(1), [
        "INFO OpenTelemetry collector: takes everything again; lost: 1 log records, 0 spans"
      ])
      yield* stop
    })
  )

  it.effect("costs nothing if it is there after a few seconds", () =>
    Effect.gen(function* () {
      const address = Loopback.address()
      const { log, lost, stop } = yield* run(endpointOf(address))
      yield* log("hello")
      yield* pass(3)
      const collector = yield* Collector.start(address)
      yield* pass(3)
      yield* collector.until("the log record", () => collector.logs.length > 0)
      assert.deepStrictEqual(lost(), { logRecords: 0, spans: 0 })
      yield* stop
    })
  )

  it.effect("does not delay the end of the server", () =>
    Effect.gen(function* () {
      const { complaints, log, stop } = yield* run(endpointOf(Loopback.address()))
      yield* log("hello")
      yield* pass(1)
      assert.strictEqual(complaints().length, 1)
      yield* log("bye")
      // No time goes by.
      yield* stop
    })
  )

  it.effect("costs one warning, and no time, if the end of the server is the first that would be exported", () =>
    Effect.gen(function* () {
      const { complaints, log, stop } = yield* run(endpointOf(Loopback.address()))
      yield* log("hello")
      yield* stop
      assert.strictEqual(complaints().length, 1)
    })
  )
})

describe("a collector that accepts and never answers", () => {
  it.effect("delays the end of the server by half a second", () =>
    Effect.gen(function* () {
      const collector = yield* Collector.start()
      collector.answer = () => "hang"
      const { log, lost, stop } = yield* run(collector.endpoint)
      yield* log("hello")
      const stopping = yield* Effect.forkChild(stop)
      yield* collector.until("requests", () => collector.requests.length === 2)
      yield* TestClock.adjust("499 millis")
      yield* settle(2)
      assert.isUndefined(stopping.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(stopping)
      assert.deepStrictEqual(collector.requests.map(({ path }) => path).toSorted(), ["/v1/logs", "/v1/metrics"])
      assert.deepStrictEqual(lost(), { logRecords: 1, spans: 0 })
    })
  )

  it.effect("costs one warning, a bounded number of requests, and what does not fit is counted", () =>
    Effect.gen(function* () {
      const collector = yield* Collector.start()
      collector.answer = () => "hang"
      const { complaints, log, lost, stop } = yield* run(collector.endpoint)
      const flood = 20_000
      yield* Effect.forEach(Array.from({ length: flood }), () => log("hello"), { discard: true })
      yield* collector.until("the first batches", () => collector.requests.length >= 16)
      yield* settle(16)
      assert.strictEqual(collector.requests.length, 16)
      assert.deepStrictEqual(lost(), { logRecords: flood - 16_000, spans: 0 })
      yield* pass(9, 17)
      assert.deepStrictEqual(complaints(), [])
      yield* pass(80, 17)
      assert.strictEqual(complaints().length, 1)
      assert.match(complaints()[0]!, /\/v1\/logs does not answer within 10 seconds; /)
      assert.deepStrictEqual(lost(), { logRecords: flood, spans: 0 })
      yield* stop
    })
  )
})

describe("a collector whose answer never ends", () => {
  it.effect("is read no further than that of a collector would be, and costs one warning", () =>
    Effect.gen(function* () {
      const collector = yield* Collector.start()
      collector.answer = () => ({ status: 200, headers: { [ENDLESS]: "" }, isEndless: true })
      const { complaints, log, lost } = yield* run(collector.endpoint)
      endlessBytes = 0
      yield* log("hello")
      yield* pass(1)
      yield* collector.until("the end of the connection", () => collector.cut.length > 0)
      while (complaints().length === 0) yield* settle()
      // The last chunk is the one that was too much; Node reads 64 KiB at once.
      assert.isBelow(endlessBytes, 2 * 65_536 + 1)
      assert.match(complaints()[0]!, /\/v1\/logs answers with more than 64 KiB; /)
      yield* pass(4)
      assert.strictEqual(collector.requests.length, 1)
      assert.strictEqual(lost().logRecords, 1)
    })
  )
})

describe("a collector that refuses", () => {
  const statuses = (collector: Collector.Collector, status: number, headers = {}) => {
    collector.answer = () => ({ status, headers })
  }

  it.effect("for good costs one warning with the status, gets no batch a second time, and few requests", () =>
    Effect.gen(function* () {
      const collector = yield* Collector.start()
      statuses(collector, 404)
      const { complaints, log, lost } = yield* run(collector.endpoint)
      for (let i = 0; i < 12; i++) {
        yield* log("hello")
        yield* pass(1)
      }
      assert.strictEqual(complaints().length, 1)
      assert.match(complaints()[0]!, /\/v1\/logs answers with status 404; /)
      const sent = collector.requests.filter(({ path }) => path === "/v1/logs")
      assert.isAtMost(sent.length, 3)
      assert.strictEqual(lost().logRecords, 12)
    })
  )

  it.effect("with a redirect is not followed", () =>
    Effect.gen(function* () {
      const collector = yield* Collector.start()
      statuses(collector, 302, { location: "/elsewhere" })
      const { complaints, log } = yield* run(collector.endpoint)
      yield* log("hello")
      yield* pass(1)
      assert.match(complaints()[0]!, /answers with status 302/)
      assert.isTrue(collector.requests.every(({ path }) => path.startsWith("/v1/")))
    })
  )

  it.effect("for now gets the same batch again, at the time it asks for", () =>
    Effect.gen(function* () {
      const collector = yield* Collector.start()
      statuses(collector, 429, { "retry-after": "4" })
      const { log, lost } = yield* run(collector.endpoint)
      yield* log("hello")
      yield* pass(4)
      assert.strictEqual(collector.requests.length, 1)
      statuses(collector, 200)
      yield* pass(2)
      yield* collector.until("the log record", () => collector.logs.length > 0)
      assert.strictEqual(lost().logRecords, 0)
    })
  )

  it.effect("one signal is exported the others, and counts as one outage", () =>
    Effect.gen(function* () {
      const collector = yield* Collector.start()
      collector.answer = ({ path }) => ({ status: path === "/v1/traces" ? 200 : 404 })
      const { complaints, log, span } = yield* run(collector.endpoint)
      for (let i = 0; i < 4; i++) {
        yield* log("hello")
        yield* span("work")
        yield* pass(20)
      }
      assert.strictEqual(collector.spans.length, 4)
      assert.strictEqual(complaints().length, 1)
    })
  )

  it.effect("now and then costs one warning, not one for each time", () =>
    Effect.gen(function* () {
      const collector = yield* Collector.start()
      const { complaints, log } = yield* run(collector.endpoint)
      for (let i = 0; i < 10; i++) {
        statuses(collector, i % 2 === 0 ? 503 : 200)
        yield* log("hello")
        yield* pass(10)
      }
      assert.strictEqual(complaints().length, 1)
    })
  )

  it.effect("is not sent the warning about itself", () =>
    Effect.gen(function* () {
      const collector = yield* Collector.start()
      statuses(collector, 400)
      const { log } = yield* run(collector.endpoint)
      yield* log("hello")
      yield* pass(60)
      statuses(collector, 200)
      yield* pass(60)
      assert.deepStrictEqual(collector.logs, [])
    })
  )
})
