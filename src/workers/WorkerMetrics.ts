/** Metrics of the workers of a server, one by one. Their meaning is in docs/metrics.md. */
import * as Effect from "effect/Effect"
import * as MetricRegistration from "../telemetry/MetricRegistration.ts"
import type { Report } from "./Messages.ts"
import type { Workers } from "./Workers.ts"

/** Registers them in Effect's metric registry, until the scope ends. */
export const register = Effect.fnUntraced(function* (workers: Workers) {
  const { counter, gauge } = yield* MetricRegistration.make
  gauge("summoner_workers", "Workers that listen.", () => workers.liveUnsafe().filter((w) => w.isListening).length)
  counter("summoner_worker_restarts_total", "Workers that were started in the place of one that has crashed.", () =>
    workers.restartsUnsafe()
  )
  const seconds = new Map<number, { readonly id: number; before: number; readonly latest: number }>()
  for (let number = 1; number <= workers.count; number++) {
    const attributes = { worker: String(number) }
    const find = () => workers.liveUnsafe().find((worker) => worker.number === number)
    const of = (value: (report: Report) => number) => () => {
      const report = find()?.report
      return report === undefined ? 0 : value(report)
    }
    /** Of the processes before the present one as well: a counter does not go back. */
    const cpuSeconds = () => {
      const worker = find()
      const known = seconds.get(number) ?? { id: 0, before: 0, latest: 0 }
      if (worker?.report === undefined) return known.before + known.latest
      const before = worker.id === known.id ? known.before : known.before + known.latest
      const latest = worker.report.cpuSeconds
      seconds.set(number, { id: worker.id, before, latest })
      return before + latest
    }
    gauge(
      "summoner_worker_clients",
      "Clients of a worker.",
      of(({ stats }) => stats.clients),
      attributes
    )
    counter("summoner_worker_cpu_seconds_total", "User and system CPU time of a worker.", cpuSeconds, attributes)
    gauge(
      "summoner_worker_resident_memory_bytes",
      "Resident memory of a worker.",
      of(({ residentBytes }) => residentBytes),
      attributes
    )
    for (const stat of ["p50", "p99", "max"] as const) {
      const description = "How late timers of a worker were, within the last five seconds."
      const labels = { ...attributes, stat }
      gauge(
        "summoner_worker_event_loop_lag_seconds",
        description,
        of(({ lag }) => lag[stat] / 1000),
        labels
      )
    }
  }
})
