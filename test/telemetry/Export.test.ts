import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import { RelayLogger } from "../../src/logging/RelayLogger.ts"
import { RelayServer } from "../../src/RelayServer.ts"
import { type DeepPartial, ServerConfig, type Values } from "../../src/config/ServerConfig.ts"
import { Telemetry } from "../../src/telemetry/Telemetry.ts"
import { version } from "../../src/version.ts"
import manifest from "../../package.json" with { type: "json" }
import * as Collector from "../support/Collector.ts"
import { PATIENCE } from "../support/patience.ts"
import * as TcpClient from "../support/TcpClient.ts"

/** Nothing is given up when the server ends: the machine may be slow. */
const PATIENT = { flushMillis: Duration.toMillis(PATIENCE) }

const run = Effect.fnUntraced(function* (
  overrides: DeepPartial<Values>,
  logger: Layer.Layer<RelayLogger> = RelayLogger.layerTest([])
) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const context = yield* RelayServer.layerServerConfig().pipe(
    Layer.provideMerge(
      Telemetry.layer({ name: "bright.server", endpoint: overrides.otlp?.endpoint ?? null, ...PATIENT })
    ),
    Layer.provideMerge(ServerConfig.layerTest({ port: 0, ...overrides })),
    Layer.provideMerge(logger),
    Layer.buildWithScope(scope)
  )
  const { address } = Context.get(context, RelayServer)
  return { context, port: address.port, stop: Scope.close(scope, Exit.void) }
})

const named = (collector: Collector.Collector, name: string) => collector.spans.filter((span) => span.name === name)

describe("an export", () => {
  it("names the version of the package", () => {
    assert.strictEqual(version, manifest.version)
  })

  it.live("has logs, metrics and traces, with the name of the server", () =>
    Effect.gen(function* () {
      const collector = yield* Collector.start()
      const { context, port, stop } = yield* run({ otlp: { endpoint: collector.endpoint } })
      yield* Effect.provideContext(Metric.update(Metric.counter("test_total"), 3), context)
      const client = yield* TcpClient.connect(port)
      const witness = yield* TcpClient.connect(port)
      yield* TcpClient.settled(client, witness)
      yield* stop
      const paths = new Set(collector.requests.map(({ path }) => path))
      assert.deepStrictEqual(paths, new Set(["/v1/logs", "/v1/metrics", "/v1/traces"]))
      const ids = new Set<unknown>()
      for (const resource of collector.resources) {
        assert.strictEqual(resource["service.name"], "bright.server")
        assert.strictEqual(resource["service.version"], manifest.version)
        assert.strictEqual(resource["process.pid"], process.pid)
        ids.add(resource["service.instance.id"])
      }
      assert.strictEqual(ids.size, 1)
      const texts = collector.logs.map(({ body }) => body)
      assert.include(texts, `listening on 127.0.0.1:${port}`)
      assert.include(texts, "shutdown complete")
      assert.strictEqual(collector.metrics.get("test_total"), 3)
      assert.deepStrictEqual(collector.spans.map(({ name }) => name).toSorted(), [
        "connection",
        "connection",
        "shutdown",
        "start"
      ])
      assert.strictEqual(named(collector, "shutdown")[0]!.attributes["summoner.clients"], 2)
      // What a server exports is nobody's span, and no request carries one.
      assert.isFalse(collector.requests.some(({ headers }) => "traceparent" in headers))
    })
  )

  it.live(
    "has a span for each connection: where from, what happened, how much, and why it ended; its log lines belong to it",
    () =>
      Effect.gen(function* () {
        const collector = yield* Collector.start()
        const { port, stop } = yield* run({
          otlp: { endpoint: collector.endpoint },
          hyper_parameters: { rate_limit_msgs_per_minute: 5, max_line_bytes: 256 }
        })
        const client = yield* TcpClient.connect(port)
        const text = `${"a\n".repeat(10)}${"b".repeat(1000)}\n`
        client.send(text)
        client.socket.end()
        yield* client.rest
        yield* stop
        const [span] = named(collector, "connection")
        assert.strictEqual(span!.kind, 2)
        assert.isUndefined(span!.parentSpanId)
        assert.deepStrictEqual(span!.status, { code: 1 })
        const { "summoner.bytes.sent": sent, ...attributes } = span!.attributes
        assert.isAbove(Number(sent), 5 * 60)
        assert.deepStrictEqual(attributes, {
          "client.address": "127.0.0.1",
          "client.port": Number(client.address.split(":")[1]),
          "network.transport": "tcp",
          "summoner.disconnect.reason": "closed by the client",
          "summoner.lines.received": 11,
          "summoner.lines.sent": 0,
          "summoner.bytes.received": text.length
        })
        assert.deepStrictEqual(
          span!.events.map(({ attributes, name }) => [name, attributes["count"]]),
          [
            ["rate limited", 5],
            ["oversized", 1]
          ]
        )
        const lines = collector.logs.filter(({ traceId }) => traceId === span!.traceId)
        assert.deepStrictEqual(
          lines.map(({ body, severity }) => `${severity} ${String(body).replace(client.address, "X")}`),
          [
            "Info X connected (1 client)",
            "Warn X rate limited 5 times, oversized",
            "Info X disconnected: closed by the client (0 clients)"
          ]
        )
      })
  )

  it.live("has a connection that ended with a warning as a span with an error", () =>
    Effect.gen(function* () {
      const collector = yield* Collector.start()
      const { port, stop } = yield* run({
        otlp: { endpoint: collector.endpoint },
        hyper_parameters: { backpressure_policy: { disconnect_threshold: 2 } }
      })
      const client = yield* TcpClient.connect(port)
      const witness = yield* TcpClient.connect(port)
      yield* TcpClient.settled(client, witness)
      const third = yield* TcpClient.connect(port)
      third.send("x\n")
      yield* third.rest
      yield* stop
      const failed = named(collector, "connection").filter(({ status }) => status.code === 2)
      assert.strictEqual(failed.length, 1)
      assert.strictEqual(failed[0]!.status.message, "force-disconnected and quarantined: backpressure")
      assert.strictEqual(failed[0]!.attributes["summoner.disconnect.reason"], failed[0]!.status.message)
    })
  )

  it.live("has nothing for each message, and nothing of its content", () =>
    Effect.gen(function* () {
      const exported = Effect.fnUntraced(function* (messages: number) {
        const collector = yield* Collector.start()
        const lines: Array<string> = []
        const { port, stop } = yield* run(
          { otlp: { endpoint: collector.endpoint }, hyper_parameters: { rate_limit_msgs_per_minute: 10_000 } },
          RelayLogger.layerTest(lines)
        )
        const client = yield* TcpClient.connect(port)
        const witness = yield* TcpClient.connect(port)
        yield* TcpClient.settled(client, witness)
        client.send("secret\n".repeat(messages))
        yield* witness.lines(messages)
        yield* stop
        // The log has them, so that there is something not to export.
        assert.isAtLeast(lines.filter((line) => line.includes("secret")).length, messages)
        assert.isFalse(collector.requests.some(({ text }) => text.includes("secret")))
        const events = collector.spans.map((span) => span.events.length)
        return { logs: collector.logs.length, spans: collector.spans.length, events }
      })
      assert.deepStrictEqual(yield* exported(1000), yield* exported(1))
    })
  )

  it.live("has the log records that the level lets through, even if none is written here", () =>
    Effect.gen(function* () {
      for (const [log_level, expected] of [
        ["DEBUG", ["d", "i", "w"]],
        ["INFO", ["i", "w"]],
        ["WARNING", ["w"]]
      ] as const) {
        const collector = yield* Collector.start()
        const values = yield* ServerConfig.pipe(Effect.provide(ServerConfig.layerTest({})))
        const logger = RelayLogger.layer({ ...values.logger, name: "x", enable_console_log: false, log_level })
        const { context, stop } = yield* run({ otlp: { endpoint: collector.endpoint } }, Layer.orDie(logger))
        yield* Effect.all([Effect.logDebug("d"), Effect.logInfo("i"), Effect.logWarning("w")]).pipe(
          Effect.provideContext(context)
        )
        yield* stop
        const seen = collector.logs.map(({ body }) => body).filter((body) => String(body).length === 1)
        assert.deepStrictEqual(seen, [...expected])
      }
    })
  )

  it.live("goes to a path below that of the endpoint, with the credentials in a header", () =>
    Effect.gen(function* () {
      const collector = yield* Collector.start()
      const url = `${collector.endpoint.replace("//", "//me:p%40ss@")}/team/a/`
      const { stop } = yield* run({ otlp: { endpoint: url } })
      yield* stop
      const paths = new Set(collector.requests.map(({ path }) => path))
      assert.deepStrictEqual(paths, new Set(["/team/a/v1/logs", "/team/a/v1/metrics", "/team/a/v1/traces"]))
      for (const { headers } of collector.requests) {
        assert.strictEqual(headers["authorization"], `Basic ${Buffer.from("me:p@ss").toString("base64")}`)
      }
    })
  )

  it.live("has the headers and the attributes that the standard variables name", () =>
    Effect.gen(function* () {
      const exported = Effect.fnUntraced(function* (env: Record<string, string>) {
        const collector = yield* Collector.start()
        const lines: Array<string> = []
        const { stop } = yield* run({ otlp: { endpoint: collector.endpoint } }, RelayLogger.layerTest(lines)).pipe(
          Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))
        )
        yield* stop
        return { collector, lines: lines.filter((line) => line.includes("OTEL_")) }
      })
      const good = yield* exported({
        OTEL_EXPORTER_OTLP_HEADERS: "api-key=a%20b,x-team=c",
        OTEL_RESOURCE_ATTRIBUTES: "deployment.environment=prod,service.name=other"
      })
      assert.deepStrictEqual(good.lines, [])
      for (const { headers } of good.collector.requests) {
        assert.strictEqual(headers["api-key"], "a b")
        assert.strictEqual(headers["x-team"], "c")
      }
      const [resource] = good.collector.resources
      assert.strictEqual(resource!["deployment.environment"], "prod")
      assert.strictEqual(resource!["service.name"], "bright.server")

      const bad = yield* exported({ OTEL_EXPORTER_OTLP_HEADERS: "a=%", OTEL_RESOURCE_ATTRIBUTES: "%=b" })
      assert.deepStrictEqual(bad.lines, [
        "WARNING OTEL_EXPORTER_OTLP_HEADERS is ignored: expected key=value,key=value, percent-encoded",
        "WARNING OTEL_RESOURCE_ATTRIBUTES is ignored: expected key=value,key=value, percent-encoded"
      ])
      assert.isNotEmpty(bad.collector.logs)

      for (const value of ["\u200b", "%E2%80%8B", "\u00a0", "%0A", "\u0101"]) {
        const { collector, lines } = yield* exported({ OTEL_EXPORTER_OTLP_HEADERS: `api-key=s${value}` })
        assert.deepStrictEqual(lines, bad.lines.slice(0, 1), value)
        assert.isNotEmpty(collector.logs)
      }
    })
  )
})

describe("telemetry", () => {
  it.live("of two servers in a program has separate metrics, whoever names the collector", () =>
    Effect.gen(function* () {
      const collector = yield* Collector.start()
      const registries = yield* Effect.forEach([null, collector.endpoint, collector.endpoint], (endpoint) =>
        Metric.MetricRegistry.pipe(Effect.provide(Telemetry.layer({ name: "x", endpoint }), { local: true }))
      )
      assert.strictEqual(new Set([...registries, yield* Metric.MetricRegistry]).size, 4)
    })
  )

  it.live("exports the metric registry that the program provides", () =>
    Effect.gen(function* () {
      const registry = new Map()
      const seen = yield* Metric.MetricRegistry.pipe(
        Effect.provide(Telemetry.layer({ name: "x", endpoint: null })),
        Effect.provideService(Metric.MetricRegistry, registry)
      )
      assert.strictEqual(seen, registry)
    })
  )

  it.live("of a server that is given none is what its configuration says", () =>
    Effect.gen(function* () {
      const collector = yield* Collector.start()
      yield* Effect.scoped(
        Layer.build(RelayServer.layer({ port: 0, otlp: { endpoint: collector.endpoint } })).pipe(
          Effect.provide(RelayLogger.layerTest([])),
          // Its end does not wait for a collector on a slow machine.
          Effect.andThen(collector.until("the log was exported", () => collector.logs.length > 0))
        )
      )
      assert.strictEqual(collector.resources[0]!["service.name"], "MyServer")
      assert.strictEqual(collector.logs.filter(({ body }) => String(body).startsWith("listening on")).length, 1)
    })
  )

  it.live("without a collector leaves the spans to the tracer that the program provides", () =>
    Effect.gen(function* () {
      const spans: Array<Tracer.Span> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      yield* Effect.gen(function* () {
        const { port, stop } = yield* run({})
        const client = yield* TcpClient.connect(port)
        client.socket.end()
        yield* client.rest
        yield* stop
      }).pipe(Effect.provideService(Tracer.Tracer, tracer))
      const connection = spans.find(({ name }) => name === "connection")
      assert.strictEqual(connection?.status._tag, "Ended")
      assert.strictEqual(connection?.attributes.get("summoner.disconnect.reason"), "closed by the client")
    })
  )
})
