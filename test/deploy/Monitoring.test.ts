import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { parse, stringify } from "yaml"
import * as Directory from "../support/Directory.ts"
import * as Certificates from "../support/Certificates.ts"
import * as Cli from "../support/Cli.ts"
import * as Docs from "../support/Docs.ts"
import { labelledMetrics, metrics, workerMetrics } from "../support/Metrics.ts"
import { ROOT } from "../support/Package.ts"
import { isInstalled, run } from "../support/Tools.ts"

interface Alert {
  readonly alert: string
  readonly expr: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly summary: string; readonly runbook: string }
}

interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly description?: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets?: ReadonlyArray<{ readonly expr: string; readonly legendFormat: string }>
}

const ALERTS = join(ROOT, "deploy/prometheus-alerts.yaml")

const alerts = (parse(readFileSync(ALERTS, "utf8")) as { groups: [{ rules: ReadonlyArray<Alert> }] }).groups[0].rules

const dashboard = JSON.parse(readFileSync(join(ROOT, "deploy/grafana-dashboard.json"), "utf8")) as {
  readonly panels: ReadonlyArray<Panel>
  readonly templating: { readonly list: ReadonlyArray<{ readonly name: string }> }
}

const panels = dashboard.panels.filter(({ type }) => type !== "row")

const queries = panels.flatMap(({ targets }) => targets!.map(({ expr }) => expr))

/** The metrics of an expression, each with what is asked of its labels. */
const selectors = (expr: string) =>
  Array.from(expr.matchAll(/\b((?:summoner|process)_[a-z_]+)(\{[^}]*\})?/g), ([, written, matchers = ""]) => ({
    metric: [...metrics, ...workerMetrics].find(({ kind, name }) =>
      kind === "histogram" ? written!.replace(/_(bucket|sum|count)$/, "") === name : written === name
    ),
    written: written!,
    matchers: Array.from(matchers.matchAll(/(\w+)=~?"([^"]*)"/g), ([, label, values]) => ({
      label: label!,
      values: values!.split("|")
    })).filter(({ label }) => label !== "job" && label !== "instance")
  }))

/** What Prometheus itself, or a histogram, knows beside the labels of the metric. */
const COMMON: ReadonlyArray<string> = ["job", "instance", "le"]

const problemsOf = (expr: string): ReadonlyArray<string> => {
  const used = selectors(expr)
  const known = new Set([...COMMON, ...used.flatMap(({ metric }) => Array.from(metric?.labels.keys() ?? []))])
  return [
    ...used.flatMap(({ matchers, metric, written }) =>
      metric === undefined
        ? [`${written} is not in docs/operating.md`]
        : matchers.flatMap(({ label, values }) =>
            values
              .filter((value) => !metric.labels.get(label)?.includes(value))
              .map((value) => `${written} has no ${label}="${value}" in docs/operating.md`)
          )
    ),
    ...Array.from(expr.matchAll(/\bby \(([^)]*)\)/g))
      .flatMap(([, labels]) => labels!.split(/,\s*/))
      .filter((label) => !known.has(label))
      .map((label) => `nothing in ${expr} has a label ${label}`)
  ]
}

describe("docs/operating.md", () => {
  it("names each metric once, as Prometheus wants names to be", () => {
    const names = metrics.map(({ name }) => name)
    assert.isAtLeast(names.length, 25)
    assert.strictEqual(new Set(names).size, names.length)
    for (const { kind, name } of metrics) {
      assert.match(name, /^(summoner|process)_[a-z_]+$/)
      assert.oneOf(kind, ["counter", "gauge", "histogram"])
      assert.strictEqual(name.endsWith("_total"), kind === "counter", name)
    }
    for (const name of labelledMetrics) assert.include(names, name)
  })

  it.live.skipIf(!Certificates.hasOpenssl)(
    `has the metrics of a running server, with their kinds and labels, and no others${Certificates.withOpenssl}`,
    () =>
      Effect.gen(function* () {
        const { path } = yield* Certificates.make
        const env = {
          SUMMONER_ADMIN_PORT: "0",
          SUMMONER_TLS_CERT: path("server.pem"),
          SUMMONER_TLS_KEY: path("server-key.pem"),
          // Nobody is there, but the bus counts.
          SUMMONER_CLUSTER_NATS_SERVERS: "127.0.0.1:9"
        }
        const server = yield* Cli.listening([], { env })
        const [, port] = yield* server.printed(/admin on \S*:(\d+)/)
        const text = yield* Effect.promise(async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text())
        const real = Array.from(text.matchAll(/^# TYPE (\S+) (\S+)$/gm), ([, name, kind]) => `${name} ${kind}`)
        assert.sameMembers(
          real,
          metrics.map(({ kind, name }) => `${name} ${kind}`)
        )
        const labels = Array.from(
          text.matchAll(/^(\w+)\{(reason|action|stat|direction)="([^"]*)"\}/gm),
          ([, ...rest]) => rest
        )
        assert.sameDeepMembers(
          labels,
          metrics.flatMap(({ labels, name }) =>
            Array.from(labels).flatMap(([label, values]) => values.map((value) => [name, label, value]))
          )
        )
      })
  )
})

describe("the Grafana dashboard", () => {
  it("asks for metrics and labels that there are", () => {
    assert.deepStrictEqual(queries.flatMap(problemsOf), [])
  })

  it("shows every metric", () => {
    const shown = new Set(queries.flatMap(selectors).map(({ metric }) => metric!.name))
    assert.deepStrictEqual(
      [...metrics, ...workerMetrics].filter(({ name }) => !shown.has(name)).map(({ name }) => name),
      []
    )
  })

  it("asks of the data source, job and instance that are chosen", () => {
    assert.deepStrictEqual(
      dashboard.templating.list.map(({ name }) => name),
      ["datasource", "job", "instance"]
    )
    for (const expr of queries) {
      for (const [, selector] of expr.matchAll(/\b(?:summoner|process)_[a-z_]+(\{[^}]*\})?/g)) {
        assert.match(selector ?? "", /^\{job="\$job", instance=~"\$instance"/, expr)
      }
    }
    assert.notMatch(JSON.stringify(dashboard.panels), /"uid":"(?!\$\{datasource\})/)
  })

  it("has panels that are explained, and do not overlap", () => {
    const ids = dashboard.panels.map(({ id }) => id)
    assert.strictEqual(new Set(ids).size, ids.length)
    const taken = new Map<string, string>()
    for (const { gridPos, title } of dashboard.panels) {
      assert.isAtMost(gridPos.x + gridPos.w, 24, title)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.isUndefined(taken.get(`${x},${y}`), title)
          taken.set(`${x},${y}`, title)
        }
      }
    }
    for (const { description, title } of panels) assert.isNotEmpty(description ?? "", title)
  })
})

describe("the alerts", () => {
  it("ask for metrics and labels that there are", () => {
    assert.deepStrictEqual(
      alerts.flatMap(({ expr }) => problemsOf(expr)),
      []
    )
  })

  it("send people to a section that exists", () => {
    for (const { alert, annotations, labels } of alerts) {
      const [path, anchor] = annotations.runbook.split("#")
      assert.isTrue(Docs.anchors(path!).has(anchor!), `${alert}: ${annotations.runbook}`)
      assert.oneOf(labels.severity, ["page", "ticket"])
    }
  })
})

type Series = Readonly<Record<string, string>>

/** Three quarters of an hour of a server that is well, in the notation of Prometheus. */
const HEALTHY: Series = {
  up: "1x45",
  summoner_ready: "1x45",
  summoner_clients: "100x45",
  'summoner_connections_refused_total{reason="server_full"}': "7x45",
  'summoner_connections_refused_total{reason="quarantined"}': "0+1x45",
  'summoner_disconnects_total{reason="left"}': "0+60x45",
  'summoner_disconnects_total{reason="failed"}': "0x45",
  'summoner_disconnects_total{reason="too_slow"}': "3x45",
  summoner_deliveries_dropped_total: "0x45",
  'summoner_backpressure_total{action="throttled"}': "5x45",
  'summoner_backpressure_total{action="disconnected"}': "2x45",
  summoner_lines_received_total: "0+6000x45",
  'summoner_lines_dropped_total{reason="rate_limited"}': "0+60x45",
  'summoner_relay_latency_seconds_bucket{le="0.01"}': "0+6000x45",
  'summoner_relay_latency_seconds_bucket{le="0.1"}': "0+6000x45",
  'summoner_relay_latency_seconds_bucket{le="1"}': "0+6000x45",
  'summoner_relay_latency_seconds_bucket{le="+Inf"}': "0+6000x45",
  'summoner_event_loop_lag_seconds{stat="p99"}': "0.01x45",
  'summoner_event_loop_lag_seconds{stat="max"}': "0.3x45",
  summoner_log_lines_dropped_total: "0x45",
  summoner_bus_up: "1x45",
  'summoner_bus_batches_missed_total{reason="lost"}': "3x45",
  'summoner_bus_batches_missed_total{reason="duplicate"}': "0+60x45",
  summoner_tls_certificate_expiry_time_seconds: "8000000x45",
  process_start_time_seconds: "1700000000x45",
  process_cpu_seconds_total: "0+30x45",
  process_resident_memory_bytes: "100000000x45",
  process_open_fds: "130x45",
  process_max_fds: "65536x45",
  summoner_worker_restarts_total: "1x45",
  'summoner_worker_cpu_seconds_total{worker="1"}': "0+40x45",
  'summoner_worker_cpu_seconds_total{worker="2"}': "0+40x45",
  'summoner_worker_heap_bytes{worker="1"}': "20000000x45",
  'summoner_worker_heap_bytes{worker="2"}': "20000000x45",
  'summoner_worker_event_loop_lag_seconds{worker="1", stat="p99"}': "0.01x45",
  'summoner_worker_event_loop_lag_seconds{worker="1", stat="max"}': "0.3x45"
}

/** What is different when something is wrong, and the one alert that says so. */
const ILL: Readonly<Record<string, Series>> = {
  SummonerDown: { up: "0x45" },
  SummonerNotReady: { summoner_ready: "0x45" },
  SummonerFull: { 'summoner_connections_refused_total{reason="server_full"}': "0+1x45" },
  SummonerRestarts: { process_start_time_seconds: "1700000000+300x45" },
  SummonerWorkerRestarts: { summoner_worker_restarts_total: "1x30 2x15" },
  SummonerFailedSessions: { 'summoner_disconnects_total{reason="failed"}': "0+1x45" },
  SummonerClientsGone: { summoner_clients: "100x30 20x15" },
  SummonerForcedDisconnects: { 'summoner_backpressure_total{action="disconnected"}': "0+1x45" },
  SummonerThrottling: { 'summoner_backpressure_total{action="throttled"}': "0+60x45" },
  SummonerRateLimiting: { 'summoner_lines_dropped_total{reason="rate_limited"}': "0+900x45" },
  SummonerSlowReaders: { summoner_deliveries_dropped_total: "0+60x45" },
  SummonerRelayLatency: {
    'summoner_relay_latency_seconds_bucket{le="0.01"}': "0+5000x45",
    'summoner_relay_latency_seconds_bucket{le="0.1"}': "0+5800x45"
  },
  SummonerEventLoopLag: { 'summoner_event_loop_lag_seconds{stat="p99"}': "0.2x45" },
  SummonerProcessor: { process_cpu_seconds_total: "0+58x45" },
  SummonerBusDown: { summoner_bus_up: "0x45" },
  SummonerBusPeers: { summoner_bus_peers: "1x45" },
  SummonerBusLosses: { 'summoner_bus_batches_missed_total{reason="lost"}': "0+60x45" },
  SummonerCertificateEnds: { summoner_tls_certificate_expiry_time_seconds: "1000000x45" },
  SummonerMemory: { process_resident_memory_bytes: "450000000x45" },
  SummonerOpenFiles: { process_open_fds: "60000x45" },
  SummonerLogLinesLost: { summoner_log_lines_dropped_total: "0+1x45" }
}

/** The same where the main thread is well, and a relay thread is not. */
const ILL_WORKER: Readonly<Record<string, Series>> = {
  SummonerEventLoopLag: { 'summoner_worker_event_loop_lag_seconds{worker="1", stat="p99"}': "0.2x45" },
  SummonerProcessor: { 'summoner_worker_cpu_seconds_total{worker="2"}': "0+58x45" }
}

const ofInstance = (instance: string, series: string) =>
  series.includes("{")
    ? series.replace("{", `{job="summoner", instance="${instance}", `)
    : `${series}{job="summoner", instance="${instance}"}`

/** All servers here are relays of one room. */
const RELAYS = 1 + Object.keys(ILL).length + Object.keys(ILL_WORKER).length

const seriesOf = (instance: string, ill: Series) =>
  Object.entries({ ...HEALTHY, summoner_bus_peers: `${RELAYS - 1}x45`, ...ill }).map(([series, values]) => ({
    series: ofInstance(instance, series),
    values
  }))

const hasPromtool = isInstalled("promtool")

describe("Prometheus", () => {
  it.live.skipIf(!hasPromtool)("accepts the alerts, and every query of the dashboard (needs promtool)", () =>
    Effect.gen(function* () {
      const rules = queries.map((expr, i) => ({
        record: `panel:${i}`,
        expr: expr.replaceAll("$__rate_interval", "5m").replaceAll("$job", "summoner").replaceAll("$instance", ".+")
      }))
      const directory = yield* Directory.make({ "queries.yaml": stringify({ groups: [{ name: "panels", rules }] }) })
      for (const file of [ALERTS, join(directory, "queries.yaml")]) {
        const { code, stderr, stdout } = yield* run("promtool", ["check", "rules", file])
        assert.strictEqual(code, 0, stdout + stderr)
      }
    })
  )

  it.live.skipIf(!hasPromtool)(
    "fires each alert for the server that it is about, and none for a server that is well (needs promtool)",
    () =>
      Effect.gen(function* () {
        assert.sameMembers(
          Object.keys(ILL),
          alerts.map(({ alert }) => alert)
        )
        const ill = [
          ...Object.entries(ILL).map(([alert, series]) => ({ instance: alert, alert, series })),
          ...Object.entries(ILL_WORKER).map(([alert, series]) => ({ instance: `${alert}InWorker`, alert, series }))
        ]
        // All servers side by side: promtool makes a database for each test.
        const directory = yield* Directory.make({
          "tests.yaml": stringify({
            rule_files: [ALERTS],
            evaluation_interval: "1m",
            tests: [
              {
                interval: "1m",
                input_series: [
                  ...seriesOf("healthy", {}),
                  ...ill.flatMap(({ instance, series }) => seriesOf(instance, series))
                ],
                promql_expr_test: [
                  {
                    expr: 'count by (alertname, instance) (ALERTS{alertstate="firing"})',
                    eval_time: "42m",
                    exp_samples: ill.map(({ alert, instance }) => ({
                      labels: `{alertname="${alert}", instance="${instance}"}`,
                      value: 1
                    }))
                  }
                ]
              }
            ]
          })
        })
        const { code, stderr, stdout } = yield* run("promtool", ["test", "rules", join(directory, "tests.yaml")])
        assert.strictEqual(code, 0, stdout + stderr)
      })
  )
})
