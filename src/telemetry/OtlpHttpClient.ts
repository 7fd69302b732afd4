/**
 * An HTTP client for one collector that never fails.
 *
 * After a failed request, Effect's exporters silently discard a minute of telemetry; while one hangs, they start another for each batch.
 * So retries, limits, losses and their log lines are handled here, and the exporters always see success.
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
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { monotonicMillis } from "../internal/time.ts"

/** Telemetry dropped since the start of the server. */
export interface Lost {
  readonly logRecords: number
  readonly spans: number
}

/** The kind of telemetry: the last part of the URL path. */
export type Signal = "logs" | "metrics" | "traces"

/** The collector did not accept a batch. */
class ExportError extends Schema.TaggedError<ExportError>()("ExportError", {
  code: Schema.Literals(["unreachable", "timeout", "unavailable", "rejected"]),
  /** For the log, after the URL. */
  reason: Schema.String,
  retryAfterMillis: Schema.Finite
}) {}

/** Batches of one signal in flight. A failing signal has one. */
const MAX_IN_FLIGHT = 16

/** Retries of a batch, 1, 2 and 4 s apart or when the collector asks for them, before it is dropped. */
const MAX_RETRIES = 3
const BACKOFF = Schedule.exponential("1 second").pipe(
  Schedule.setInputType<ExportError>(),
  Schedule.modifyDelay(({ duration, input }) =>
    Effect.succeed(Duration.max(duration, Duration.millis(input.retryAfterMillis)))
  )
)

/** The least and the longest pause after a dropped batch. The collector may ask for one in between, but no batch waits longer than the least. */
const PAUSE_MILLIS = 5000
const MAX_PAUSE_MILLIS = 60_000

const TIMEOUT_MILLIS = 10_000

/** Bytes read of a response. A larger one does not come from a collector. */
const MAX_RESPONSE_BYTES = 65_536

/** Failure-free time before recovery is logged, so that a flapping collector is one outage. */
const HEALTHY_MILLIS = 30_000

class Channel {
  inFlight = 0
  /** The last batch failed. */
  isFailing = false
  /** Time of the next attempt, by the monotonic clock. */
  resumeMillis = -Infinity
  /** Opens when nothing more is sent. */
  readonly closed = Latch.makeUnsafe(false)
}

interface Batch {
  readonly channel: Channel
  readonly kind: keyof Lost | undefined
  readonly items: number
}

/**
 * A client for one collector. It logs with the loggers of the fiber that makes it.
 *
 * @param flushMillis how long `close` waits for a collector that is not failing, in milliseconds
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
  const idle = Latch.makeUnsafe(true)
  let isClosing = false
  /** The losses before the outage that was logged; `undefined` without one. */
  let outage: Lost | undefined
  let lastFailureMillis = -Infinity

  const register = (body: HttpBody, batch: Batch): HttpBody => {
    batches.set(body, batch)
    return body
  }
  const serialization = OtlpSerialization.OtlpSerialization.of({
    logs: (data) => {
      const items = sum(data.resourceLogs, ({ scopeLogs }) =>
        sum(scopeLogs, ({ logRecords }) => logRecords?.length ?? 0)
      )
      return register(json.logs(data), { channel: channels.logs, kind: "logRecords", items })
    },
    traces: (data) => {
      const items = sum(data.resourceSpans, ({ scopeSpans }) => sum(scopeSpans, ({ spans }) => spans.length))
      return register(json.traces(data), { channel: channels.traces, kind: "spans", items })
    },
    // A lost batch loses nothing: the next one contains the same totals.
    metrics: (data) => register(json.metrics(data), { channel: channels.metrics, kind: undefined, items: 0 })
  })

  const drop = ({ items, kind }: Batch): void => {
    if (kind !== undefined) lost[kind] += items
  }

  /** Logs to the server's own log, which is not exported. */
  const report = (effect: Effect.Effect<void>): Effect.Effect<void> =>
    effect.pipe(
      Effect.provideService(References.CurrentLoggers, loggers),
      // Removes the annotations of the exporters.
      Effect.provideService(References.CurrentLogAnnotations, {}),
      Effect.provideService(References.MinimumLogLevel, minimum)
    )

  const failed = (channel: Channel, url: string, { reason }: ExportError): Effect.Effect<void> => {
    channel.isFailing = true
    lastFailureMillis = monotonicMillis(clock)
    if (outage !== undefined) return Effect.void
    outage = { ...lost }
    return report(
      Effect.logWarning(
        `OpenTelemetry collector: ${url} ${reason}; trying again without further warnings, what it does not take is lost`
      )
    )
  }

  const succeeded = (channel: Channel): Effect.Effect<void> => {
    channel.isFailing = false
    channel.resumeMillis = -Infinity
    if (outage === undefined || all.some(({ isFailing }) => isFailing)) return Effect.void
    if (monotonicMillis(clock) - lastFailureMillis < HEALTHY_MILLIS) return Effect.void
    const before = outage
    outage = undefined
    const [logRecords, spans] = [lost.logRecords - before.logRecords, lost.spans - before.spans]
    return report(
      Effect.logInfo(`OpenTelemetry collector: takes everything again; lost: ${logRecords} log records, ${spans} spans`)
    )
  }

  const post = (request: HttpClientRequest.HttpClientRequest): Effect.Effect<void, ExportError> =>
    http.execute(request).pipe(
      Effect.mapError((cause) => unreachable(Cause.fail(cause))),
      Effect.flatMap((response) => check(response, clock.currentTimeMillisUnsafe())),
      Effect.timeoutOrElse({
        duration: TIMEOUT_MILLIS,
        orElse: () => exportError("timeout", `does not answer within ${TIMEOUT_MILLIS / 1000} seconds`)
      }),
      Effect.catchDefect((defect) => unreachable(Cause.die(defect))),
      // A redirect would turn the request into one without a body.
      Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
      Effect.provideService(HttpClient.TracerDisabledWhen, () => true)
    )

  const deliver = (request: HttpClientRequest.HttpClientRequest, batch: Batch, url: string): Effect.Effect<void> => {
    const { channel } = batch
    return post(request).pipe(
      Effect.tapError((error) => failed(channel, url, error)),
      Effect.retry({
        schedule: BACKOFF,
        times: channel.isFailing ? 0 : MAX_RETRIES,
        while: ({ code, retryAfterMillis }) => code !== "rejected" && retryAfterMillis <= PAUSE_MILLIS && !isClosing
      }),
      Effect.matchEffect({
        onSuccess: () => succeeded(channel),
        onFailure: ({ retryAfterMillis }) =>
          Effect.sync(() => {
            const pause = Math.min(Math.max(retryAfterMillis, PAUSE_MILLIS), MAX_PAUSE_MILLIS)
            channel.resumeMillis = monotonicMillis(clock) + pause
            drop(batch)
          })
      })
    )
  }

  const send = (request: HttpClientRequest.HttpClientRequest, batch: Batch, url: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      const { channel } = batch
      const isBusy = channel.inFlight >= (channel.isFailing ? 1 : MAX_IN_FLIGHT)
      if (isBusy || channel.closed.isOpen() || monotonicMillis(clock) < channel.resumeMillis) {
        return Effect.sync(() => drop(batch))
      }
      channel.inFlight++
      idle.closeUnsafe()
      const delivered = Effect.onInterrupt(deliver(request, batch, url), () => Effect.sync(() => drop(batch)))
      return Effect.ensuring(
        Effect.raceFirst(delivered, channel.closed.await),
        Effect.sync(() => {
          channel.inFlight--
          if (all.every(({ inFlight }) => inFlight === 0)) idle.openUnsafe()
        })
      )
    })

  return {
    serialization,
    /** Sends what `serialization` has made. Done when the collector has accepted it, or it is dropped. */
    client: HttpClient.make((request, url) =>
      Effect.as(
        send(request, batches.get(request.body)!, url.href),
        HttpClientResponse.fromWeb(request, new Response(null, { status: 204 }))
      )
    ),
    lostUnsafe: (): Lost => ({ ...lost }),
    /** Sends what is left, within `flushMillis`, and nothing afterwards. `flush`: makes the exporters send what they hold. */
    close: (flush: Effect.Effect<void>): Effect.Effect<void> =>
      Effect.suspend(() => {
        isClosing = true
        for (const channel of all) if (channel.isFailing) channel.closed.openUnsafe()
        return Effect.andThen(flush, idle.await)
      }).pipe(
        Effect.interruptible,
        Effect.timeoutOption(flushMillis),
        Effect.andThen(Effect.sync(() => all.forEach(({ closed }) => closed.openUnsafe())))
      )
  }
})

const sum = <A>(items: ReadonlyArray<A>, of: (item: A) => number): number =>
  items.reduce((total, item) => total + of(item), 0)

const exportError = (code: ExportError["code"], reason: string, retryAfterMillis = 0): ExportError =>
  new ExportError({ code, reason, retryAfterMillis })

const unreachable = (cause: Cause.Cause<unknown>): ExportError =>
  exportError("unreachable", `cannot be reached (${rootOf(cause)})`)

/** Reads a response, so that its connection can be reused, up to the limit. `nowMillis`: time of day, for a `Retry-After` with a date. */
const check = Effect.fnUntraced(function* (
  { headers, status, stream }: HttpClientResponse.HttpClientResponse,
  nowMillis: number
): Effect.fn.Return<void, ExportError> {
  let bytes = 0
  yield* stream.pipe(
    Stream.runForEachWhile((chunk) => Effect.succeed((bytes += chunk.length) <= MAX_RESPONSE_BYTES)),
    Effect.ignore
  )
  if (status < 200 || status >= 300) {
    const retryAfter = Headers.parseRetryAfter(headers["retry-after"] ?? "")
    const retryAfterMillis = Result.isSuccess(retryAfter)
      ? Duration.toMillis(Headers.retryAfterDelay(retryAfter.success, nowMillis))
      : 0
    const code = status === 408 || status === 429 || status >= 500 ? "unavailable" : "rejected"
    return yield* exportError(code, `answers with status ${status}`, retryAfterMillis)
  }
  if (bytes > MAX_RESPONSE_BYTES) {
    return yield* exportError("rejected", `answers with more than ${MAX_RESPONSE_BYTES / 1024} KiB`)
  }
})

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
