/** Effect's OTLP exporters, configured for this server. Loaded only with a collector. */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as OtlpExporter from "effect/observability/OtlpExporter"
import * as OtlpLogger from "effect/observability/OtlpLogger"
import * as OtlpMetrics from "effect/observability/OtlpMetrics"
import * as OtlpResource from "effect/observability/OtlpResource"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import * as OtlpTracer from "effect/observability/OtlpTracer"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import { randomUUID } from "node:crypto"
import { hostname } from "node:os"
import { invisibleIn } from "../internal/escape.ts"
import { RelayLogger } from "../logging/RelayLogger.ts"
import { version } from "../version.ts"
import * as OtlpHttpClient from "./OtlpHttpClient.ts"

/** Log records, or spans, in one request. */
const MAX_BATCH = 1000

/** The URL of each signal, and the headers with the credentials. */
const target = (endpoint: string, headers: Readonly<Record<string, string>>) => {
  const url = new URL(endpoint)
  const { password, username } = url
  // `fetch` rejects a URL with a password, and the log must not show it.
  url.username = url.password = ""
  const base = url.pathname.replace(/\/+$/, "")
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return {
    url: (signal: OtlpHttpClient.Signal) => {
      url.pathname = `${base}/v1/${signal}`
      return url.href
    },
    headers:
      credentials === ":"
        ? headers
        : { authorization: `Basic ${Buffer.from(credentials).toString("base64")}`, ...headers }
  }
}

/** The value of a standard variable. A malformed one is ignored with a warning. */
const fromEnvironment = <A>(read: Effect.Effect<A>, name: string, fallback: Effect.Effect<A>): Effect.Effect<A> =>
  Effect.catchDefect(read, () =>
    Effect.andThen(Effect.logWarning(`${name} is ignored: expected key=value,key=value, percent-encoded`), fallback)
  )

const headersOfEnvironment = fromEnvironment<Readonly<Record<string, string>>>(
  Config.Record(Schema.String, Schema.StringFromUriComponent, "OTEL_EXPORTER_OTLP_HEADERS").pipe(
    Config.withDefault({}),
    Effect.orDie,
    Effect.tap((headers) =>
      Effect.sync(() => {
        const hidden = invisibleIn(Object.entries(headers).flat().join(""))
        if (hidden !== undefined) throw new Error(`${hidden} in a header`)
        // As `fetch` does for each batch, it throws for what no header may have.
        return new Headers(headers)
      })
    )
  ),
  "OTEL_EXPORTER_OTLP_HEADERS",
  Effect.succeed({})
)

const NO_ENVIRONMENT = ConfigProvider.fromUnknown({})

/** Exports until the scope closes. Returns the services to provide to the program, and the telemetry dropped so far. */
export const make = Effect.fnUntraced(function* (options: {
  readonly endpoint: string
  readonly name: string
  readonly flushMillis: number
  readonly registry: Metric.MetricRegistry
  /** Whether this exports logs and metrics as well. If not, it logs nothing either. */
  readonly signals: "all" | "traces"
}) {
  const { headers, url } = target(options.endpoint, yield* headersOfEnvironment)
  const resource = {
    serviceName: options.name,
    serviceVersion: version,
    attributes: { "service.instance.id": randomUUID(), "host.name": hostname(), "process.pid": process.pid }
  }
  const provider = yield* ConfigProvider.ConfigProvider
  const environment = yield* fromEnvironment(
    Effect.as(OtlpResource.fromConfig(resource), provider),
    "OTEL_RESOURCE_ATTRIBUTES",
    Effect.succeed(NO_ENVIRONMENT)
  )
  const loggers = yield* References.CurrentLoggers
  const isAlone = options.signals === "traces"
  const makeCollector = OtlpHttpClient.make(options.flushMillis)
  // A collector that takes nothing is one line, however many threads export to it.
  const collector = yield* isAlone
    ? Effect.provideService(makeCollector, References.CurrentLoggers, new Set())
    : makeCollector
  const flusher = Context.get(yield* Layer.build(OtlpExporter.layerFlusher), OtlpExporter.Flusher)

  const common = (signal: OtlpHttpClient.Signal) => ({
    url: url(signal),
    headers,
    resource,
    shutdownTimeout: "1 second" as const
  })
  const logs = OtlpLogger.make({ ...common("logs"), maxBatchSize: MAX_BATCH })
  const exporters = yield* Effect.all({
    logger: isAlone ? Effect.undefined : logs,
    metrics: isAlone ? Effect.void : OtlpMetrics.make(common("metrics")),
    tracer: OtlpTracer.make({ ...common("traces"), maxBatchSize: MAX_BATCH })
  }).pipe(
    Effect.provideService(HttpClient.HttpClient, collector.client),
    Effect.provideService(OtlpSerialization.OtlpSerialization, collector.serialization),
    Effect.provideService(OtlpExporter.Flusher, flusher),
    Effect.provideService(Metric.MetricRegistry, options.registry),
    Effect.provideService(ConfigProvider.ConfigProvider, environment),
    // The exporters' own log lines must not be exported; `OtlpHttpClient` logs outages.
    Effect.provideService(References.CurrentLoggers, new Set())
  )
  // Runs before the finalizers of the exporters, each of which would wait on its own.
  yield* Effect.addFinalizer(() => collector.close(flusher.flush))

  const { logger: exported } = exporters
  if (exported === undefined) {
    return { context: Context.make(Tracer.Tracer, exporters.tracer), lostUnsafe: collector.lostUnsafe }
  }
  const relayLogger = Option.getOrUndefined(yield* Effect.serviceOption(RelayLogger))
  const logger = Logger.make<unknown, void>((record) => {
    if (relayLogger?.isLoggedUnsafe(record.logLevel) !== false) exported.log(record)
  })
  let minimum = yield* References.MinimumLogLevel
  // Local logs are off, but the collector still gets records.
  if (minimum === "None" && relayLogger !== undefined) minimum = relayLogger.isLoggedUnsafe("Debug") ? "Trace" : "Info"
  return {
    context: Context.make(Tracer.Tracer, exporters.tracer).pipe(
      Context.add(References.CurrentLoggers, new Set([...loggers, logger])),
      Context.add(References.MinimumLogLevel, minimum)
    ),
    lostUnsafe: collector.lostUnsafe
  }
})
