/** Exports logs, metrics and traces to an OpenTelemetry collector. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import { ServerConfig } from "../config/CurrentConfig.ts"
import type { Lost } from "./OtlpHttpClient.ts"

export type { Lost } from "./OtlpHttpClient.ts"

/** Options of `Telemetry.layer`. */
export interface Options {
  /** The server's name, exported as `service.name`. */
  readonly name: string
  /** `otlp.endpoint`: the URL of the collector (OTLP over HTTP). `null` exports nothing. */
  readonly endpoint: string | null
  /** How long the end of the server waits for the collector, in milliseconds, unless it is known to be away; 500 by default. */
  readonly flushMillis?: number | undefined
}

/**
 * The export to a collector. Its layers also provide a metric registry and, with an endpoint, a logger and a tracer that export to the
 * collector.
 */
export class Telemetry extends Context.Service<
  Telemetry,
  {
    /** Telemetry dropped because the collector did not accept it, or not fast enough. */
    readonly lostUnsafe: () => Lost
    /** What it exports, and where to. */
    readonly options: Options
  }
>()("summoner-server/Telemetry") {
  /**
   * Exports to a collector, and logs one warning for each outage. Never fails: an outage must not affect the relay.
   *
   * Metrics use the `Metric.MetricRegistry` that the program provides, or a new one, so that two servers in one program do not share
   * theirs by accident.
   */
  static readonly layer = (options: Options): Layer.Layer<Telemetry> => exporting(options, "all")

  /** The same for traces alone, without a word in the log: for the threads of a server whose main thread exports the rest. */
  static readonly layerTraces = (options: Options): Layer.Layer<Telemetry> => exporting(options, "traces")

  /**
   * The `Telemetry` that the program provides, so that nothing is exported twice; otherwise `layerConfig` with the metric registry of the
   * program.
   */
  static readonly layerDefault: Layer.Layer<Telemetry, never, ServerConfig> = Layer.unwrap(
    Effect.gen(function* (): Effect.fn.Return<Layer.Layer<Telemetry, never, ServerConfig>> {
      const telemetry = yield* Effect.serviceOption(Telemetry)
      if (Option.isSome(telemetry)) return Layer.succeed(Telemetry, telemetry.value)
      const registry = yield* Metric.MetricRegistry
      return Layer.provide(layerConfig("MyServer"), Layer.succeed(Metric.MetricRegistry, registry))
    })
  )
}

const exporting = (options: Options, signals: "all" | "traces"): Layer.Layer<Telemetry> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const { mapUnsafe } = yield* Effect.context<never>()
      const registry: Metric.MetricRegistry = mapUnsafe.get(Metric.MetricRegistry.key) ?? new Map()
      const context = Context.make(Metric.MetricRegistry, registry)
      const { endpoint, flushMillis = 500, name } = options
      if (endpoint === null) {
        return Context.add(context, Telemetry, { lostUnsafe: () => ({ logRecords: 0, spans: 0 }), options })
      }
      // Only who exports loads the exporter.
      const { make } = yield* Effect.promise(() => import("./OtlpExport.ts"))
      const { context: exported, lostUnsafe } = yield* make({ endpoint, flushMillis, name, registry, signals })
      return Context.merge(context, exported).pipe(Context.add(Telemetry, { lostUnsafe, options }))
    })
  )

/**
 * Exports as configured by the `otlp` group of `ServerConfig`.
 *
 * @param name the server's name: `service.name`
 */
export const layerConfig = (name: string): Layer.Layer<Telemetry, never, ServerConfig> =>
  Layer.unwrap(Effect.map(ServerConfig, ({ otlp }) => Telemetry.layer({ name, endpoint: otlp.endpoint })))
