/** Metrics of the threads of a server, one by one. Their meaning is in docs/operating.md#of-several-threads. */
import * as Effect from "effect/Effect"
import * as MetricRegistration from "../telemetry/MetricRegistration.ts"
import type { Report } from "./Messages.ts"
import type { Supervisor } from "./Supervisor.ts"
import type { Thread } from "./Thread.ts"

/** Registers them in Effect's metric registry, until the scope ends. */
export const register = Effect.fnUntraced(function* (supervisor: Supervisor) {
  const { counter, gauge } = yield* MetricRegistration.make
  gauge("summoner_workers", "Relay threads that listen.", () => supervisor.listeningUnsafe().length)
  counter("summoner_worker_restarts_total", "Threads that were started in the place of one that has crashed.", () =>
    supervisor.restartsUnsafe()
  )
  for (let index = 0; index < supervisor.count; index++) {
    const attributes = { worker: String(index + 1) }
    const find = () => supervisor.liveUnsafe().find((thread) => thread.index === index)
    const of = (value: (report: Report) => number) => () => {
      const report = find()?.report
      return report === undefined ? 0 : value(report)
    }
    gauge(
      "summoner_worker_clients",
      "Clients of a thread.",
      of(({ stats }) => stats.clients),
      attributes
    )
    gauge(
      "summoner_worker_heap_bytes",
      "Heap of a thread, with the buffers that are kept alive from there.",
      of(({ heapBytes }) => heapBytes),
      attributes
    )
    // Not in every version of Node.js.
    if (process.threadCpuUsage !== undefined) {
      let latest: { readonly thread: Thread; readonly seconds: number } | undefined
      let before = 0
      /** Of the threads before the present one as well: a counter does not go back. */
      const cpuSeconds = () => {
        const thread = find()
        if (thread?.report?.cpuSeconds !== undefined) {
          if (latest !== undefined && latest.thread !== thread) before += latest.seconds
          latest = { thread, seconds: thread.report.cpuSeconds }
        }
        return before + (latest?.seconds ?? 0)
      }
      counter("summoner_worker_cpu_seconds_total", "User and system CPU time of a thread.", cpuSeconds, attributes)
    }
    for (const stat of ["p50", "p99", "max"] as const) {
      gauge(
        "summoner_worker_event_loop_lag_seconds",
        "How late timers of a thread were, within the last five seconds.",
        of(({ lag }) => lag[stat] / 1000),
        { ...attributes, stat }
      )
    }
  }
})
