/** Logs, metrics and traces for an OpenTelemetry collector, where the configuration names one. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import { ServerConfig } from "../config/ServerConfig.ts"
import type { Lost } from "./Lost.ts"

export type { Lost } from "./Lost.ts"

/** What is exported, and where to. */
export interface Options {
  /** The server's name: `service.name` of all that is exported. */
  readonly name: string
  /** `otlp.endpoint`: the URL of a collector (OTLP over HTTP). `null` exports nothing. */
  readonly endpoint: string | null
  /** How long the end of the server waits for the collector, in milliseconds, unless it is known to be away; 500 by default. */
  readonly flushMillis?: number | undefined
}

/**
 * What the export knows of itself. Its layers also give whatever is built on them a registry of metrics of their own and, with an
 * endpoint, add the collector to their loggers and make it their tracer.
 */
export class Telemetry extends Context.Service<
  Telemetry,
  {
    /** What was thrown away because the collector did not take it, or not fast enough. */
    readonly lostUnsafe: () => Lost
    /** What it exports, and where to. */
    readonly options: Options
  }
>()("summoner-server/Telemetry") {
  /**
   * Exports to a collector, and warns once for each time that it takes nothing. Never fails: telemetry comes after the relay.
   *
   * Metrics are those of the `Metric.MetricRegistry` that the program provides, or else of one that nobody else has, so that two
   * servers in one program do not share theirs by chance.
   */
  static readonly layer = (options: Options): Layer.Layer<Telemetry> => exporting(options, "all")

  /** The same for traces alone, without a word in the log: for the threads of a server whose main thread exports the rest. */
  static readonly layerTraces = (options: Options): Layer.Layer<Telemetry> => exporting(options, "traces")

  /**
   * The telemetry that is there already, so that a server that is given one does not export twice; or that of `layerConfig`, with the
   * metrics of the program.
   */
  static readonly layerDefault: Layer.Layer<Telemetry, never, ServerConfig> = Layer.unwrap(
    Effect.map(
      Effect.serviceOption(Telemetry),
      Option.match({
        onNone: () =>
          Layer.unwrap(
            Effect.map(Metric.MetricRegistry, (registry) =>
              Layer.provide(layerConfig("MyServer"), Layer.succeed(Metric.MetricRegistry, registry))
            )
          ),
        onSome: (telemetry): Layer.Layer<Telemetry, never, ServerConfig> => Layer.succeed(Telemetry, telemetry)
      })
    )
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
 * Exports as the `otlp` group of the `ServerConfig` says.
 *
 * @param name the server's name: `service.name`
 */
export const layerConfig = (name: string): Layer.Layer<Telemetry, never, ServerConfig> =>
  Layer.unwrap(Effect.map(ServerConfig, ({ otlp }) => Telemetry.layer({ name, endpoint: otlp.endpoint })))
