/**
 * What stands between Effect's exporters and a collector: an HTTP client that never fails.
 *
 * An exporter whose request fails throws away what comes in the next minute, uncounted and without a word, and one whose request hangs
 * starts another for each batch. So what is tried again, for how long, what is thrown away and what the log says are decided
 * here, and the exporters are always told that all is well.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Headers from "effect/http/Headers"
import type { HttpBody } from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import * as References from "effect/References"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { monotonicMillis } from "../internal/monotonicClock.ts"
import type { Lost } from "./Lost.ts"

/** As the last part of its path. */
export type Signal = "logs" | "metrics" | "traces"

/** Batches of one signal that may be on their way at once; of one that the collector does not take, one. */
const MAX_IN_FLIGHT = 16

/** How often a batch is sent, with pauses of 1, 2 and 4 s, before it is thrown away. */
const MAX_ATTEMPTS = 4
const FIRST_PAUSE_MILLIS = 1000

/** After a batch was thrown away: the next one is tried no sooner, unless the collector names another time. */
const PAUSE_MILLIS = 5000
/** Longer than that it may not keep us away, and a batch waits no longer than the pause above. */
const MAX_PAUSE_MILLIS = 60_000

const TIMEOUT_MILLIS = 10_000

/** What is read of an answer, in bytes. A collector's is short; whoever says more is none. */
const MAX_ANSWER_BYTES = 65_536

/** For so long nothing must have failed before the log says that all is well again: a collector that comes and goes is one outage. */
const HEALTHY_MILLIS = 30_000

/** How the collector takes one signal. */
class Channel {
  inFlight = 0
  /** It has not taken the last batch, and none since. */
  isFailing = false
  /** When the next batch may be tried, by the monotonic clock. */
  resumeMillis = -Infinity
  /** Opens when nothing more is sent. */
  readonly closed = Latch.makeUnsafe(false)
}

interface Batch {
  readonly channel: Channel
  readonly kind: keyof Lost | undefined
  readonly items: number
}

/** Why a batch was not taken. */
interface Problem {
  readonly reason: string
  readonly isTransient: boolean
  readonly retryAfterMillis: number
}

/**
 * A client for one collector, which logs where its maker does.
 *
 * @param flushMillis how long `close` waits for a collector that was last known to answer, in milliseconds
 */
export const make = Effect.fnUntraced(function* (flushMillis: number) {
  const clock = yield* Clock.Clock
  const loggers = yield* References.CurrentLoggers
  const minimum = yield* References.MinimumLogLevel
  const http = Context.get(yield* Layer.build(FetchHttpClient.layer), HttpClient.HttpClient)
  const json = Context.get(yield* Layer.build(OtlpSerialization.layerJson), OtlpSerialization.OtlpSerialization)

  const channels = { logs: new Channel(), metrics: new Channel(), traces: new Channel() }
  const all = Object.values(channels)
  const batches = new WeakMap<HttpBody, Batch>()
  const lost = { logRecords: 0, spans: 0 }
  let inFlight = 0
  const idle = Latch.makeUnsafe(true)
  let isClosing = false
  /** What was lost when the collector began to fail, which the log has been told of. */
  let outage: Lost | undefined
  let lastProblemMillis = -Infinity

  const noted = (body: HttpBody, batch: Batch): HttpBody => {
    batches.set(body, batch)
    return body
  }
  const serialization = OtlpSerialization.OtlpSerialization.of({
    logs: (data) => {
      const items = sum(data.resourceLogs, ({ scopeLogs }) =>
        sum(scopeLogs, ({ logRecords }) => logRecords?.length ?? 0)
      )
      return noted(json.logs(data), { channel: channels.logs, kind: "logRecords", items })
    },
    traces: (data) => {
      const items = sum(data.resourceSpans, ({ scopeSpans }) => sum(scopeSpans, ({ spans }) => spans.length))
      return noted(json.traces(data), { channel: channels.traces, kind: "spans", items })
    },
    // Totals, which the next ones contain.
    metrics: (data) => noted(json.metrics(data), { channel: channels.metrics, kind: undefined, items: 0 })
  })

  const lose = ({ items, kind }: Batch): void => {
    if (kind !== undefined) lost[kind] += items
  }

  /** To the server's own log, which is not exported. */
  const say = (effect: Effect.Effect<void>): Effect.Effect<void> =>
    effect.pipe(
      Effect.provideService(References.CurrentLoggers, loggers),
      // Those that the exporters log with.
      Effect.provideService(References.CurrentLogAnnotations, {}),
      Effect.provideService(References.MinimumLogLevel, minimum)
    )

  const failed = (channel: Channel, url: string, { reason }: Problem): Effect.Effect<void> => {
    channel.isFailing = true
    lastProblemMillis = monotonicMillis(clock)
    if (outage !== undefined) return Effect.void
    outage = { ...lost }
    return say(
      Effect.logWarning(
        `OpenTelemetry collector: ${url} ${reason}; trying again without further warnings, what it does not take is lost`
      )
    )
  }

  const succeeded = (channel: Channel): Effect.Effect<void> => {
    channel.isFailing = false
    channel.resumeMillis = -Infinity
    if (outage === undefined || all.some(({ isFailing }) => isFailing)) return Effect.void
    if (monotonicMillis(clock) - lastProblemMillis < HEALTHY_MILLIS) return Effect.void
    const before = outage
    outage = undefined
    const [logRecords, spans] = [lost.logRecords - before.logRecords, lost.spans - before.spans]
    return say(
      Effect.logInfo(`OpenTelemetry collector: takes everything again; lost: ${logRecords} log records, ${spans} spans`)
    )
  }

  const post = (request: HttpClientRequest.HttpClientRequest): Effect.Effect<Problem | undefined> =>
    Effect.flatMap(http.execute(request), (response) =>
      Effect.map(
        isShort(response),
        (short) => problemOf(response, clock.currentTimeMillisUnsafe()) ?? (short ? undefined : TOO_LONG)
      )
    ).pipe(
      Effect.timeoutOrElse({
        duration: TIMEOUT_MILLIS,
        orElse: () => Effect.succeed(unreachable(`does not answer within ${TIMEOUT_MILLIS / 1000} seconds`))
      }),
      Effect.catchCause((cause) => Effect.succeed(unreachable(`cannot be reached (${rootOf(cause)})`))),
      // A redirect would turn the request into one without a body.
      Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
      Effect.provideService(HttpClient.TracerDisabledWhen, () => true)
    )

  const deliver = Effect.fnUntraced(function* (
    request: HttpClientRequest.HttpClientRequest,
    batch: Batch,
    url: string
  ) {
    const { channel } = batch
    const attempts = channel.isFailing ? 1 : MAX_ATTEMPTS
    for (let attempt = 1; ; attempt++) {
      const problem = yield* post(request)
      if (problem === undefined) return yield* succeeded(channel)
      yield* failed(channel, url, problem)
      const pause = Math.max(FIRST_PAUSE_MILLIS * 2 ** (attempt - 1), problem.retryAfterMillis)
      if (isClosing || !problem.isTransient || attempt >= attempts || pause > PAUSE_MILLIS) {
        channel.resumeMillis = monotonicMillis(clock) + Math.min(Math.max(pause, PAUSE_MILLIS), MAX_PAUSE_MILLIS)
        return lose(batch)
      }
      yield* Effect.sleep(pause)
    }
  })

  const send = (request: HttpClientRequest.HttpClientRequest, batch: Batch, url: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      const { channel } = batch
      const isBusy = channel.inFlight >= (channel.isFailing ? 1 : MAX_IN_FLIGHT)
      if (isBusy || channel.closed.isOpen() || monotonicMillis(clock) < channel.resumeMillis) {
        return Effect.sync(() => lose(batch))
      }
      channel.inFlight++
      inFlight++
      idle.closeUnsafe()
      const delivered = Effect.onInterrupt(deliver(request, batch, url), () => Effect.sync(() => lose(batch)))
      return Effect.ensuring(
        Effect.raceFirst(delivered, channel.closed.await),
        Effect.sync(() => {
          channel.inFlight--
          if (--inFlight === 0) idle.openUnsafe()
        })
      )
    })

  return {
    serialization,
    /** Takes what `serialization` has made; done when that is with the collector, or lost. */
    client: HttpClient.make((request, url) =>
      Effect.as(
        send(request, batches.get(request.body)!, url.href),
        HttpClientResponse.fromWeb(request, new Response(null, { status: 204 }))
      )
    ),
    lostUnsafe: (): Lost => ({ ...lost }),
    /**
     * Sends what there is, for as long as the end of the server may take, and nothing afterwards.
     *
     * @param flush makes the exporters send what they have
     */
    close: (flush: Effect.Effect<void>): Effect.Effect<void> =>
      Effect.suspend(() => {
        isClosing = true
        for (const channel of all) if (channel.isFailing) channel.closed.openUnsafe()
        return Effect.andThen(flush, idle.await)
      }).pipe(
        Effect.interruptible,
        Effect.timeoutOption(flushMillis),
        Effect.andThen(
          Effect.sync(() => {
            for (const channel of all) channel.closed.openUnsafe()
          })
        )
      )
  }
})

const sum = <A>(items: ReadonlyArray<A>, of: (item: A) => number): number =>
  items.reduce((total, item) => total + of(item), 0)

const unreachable = (reason: string): Problem => ({ reason, isTransient: true, retryAfterMillis: 0 })

const TOO_LONG: Problem = {
  reason: `answers with more than ${MAX_ANSWER_BYTES / 1024} KiB`,
  isTransient: false,
  retryAfterMillis: 0
}

/** Reads an answer, so that the connection can be used again, or, when there is too much of it, that is cut. */
const isShort = ({ stream }: HttpClientResponse.HttpClientResponse): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    let bytes = 0
    return stream.pipe(
      Stream.runForEachWhile((chunk) => Effect.succeed((bytes += chunk.length) <= MAX_ANSWER_BYTES)),
      Effect.ignore,
      Effect.map(() => bytes <= MAX_ANSWER_BYTES)
    )
  })

/** @param nowMillis the time of day, which a collector may refer to */
const problemOf = (
  { headers, status }: HttpClientResponse.HttpClientResponse,
  nowMillis: number
): Problem | undefined => {
  if (status >= 200 && status < 300) return undefined
  const retryAfter = Headers.parseRetryAfter(headers["retry-after"] ?? "")
  return {
    reason: `answers with status ${status}`,
    isTransient: status === 408 || status === 429 || status >= 500,
    retryAfterMillis: Result.isSuccess(retryAfter)
      ? Duration.toMillis(Headers.retryAfterDelay(retryAfter.success, nowMillis))
      : 0
  }
}

/** The system's error code, or else the message of the innermost error. */
const rootOf = (cause: Cause.Cause<unknown>): string => {
  let error = Cause.squash(cause)
  for (let depth = 0; depth < 5 && error instanceof Error; depth++) {
    if ("code" in error) return String(error.code)
    if (error.cause === undefined) return error.message
    error = error.cause
  }
  return String(error)
}
