/** Metrics of the process, named like those of Prometheus client libraries (docs/operating.md#metrics). */
import * as Effect from "effect/Effect"
import { readdirSync } from "node:fs"
import { descriptorLimit } from "../internal/descriptors.ts"
import { version } from "../version.ts"
import type { EventLoopLag } from "./EventLoopLag.ts"
import * as MetricRegistration from "./MetricRegistration.ts"

export const register = Effect.fnUntraced(function* (lagUnsafe: () => EventLoopLag) {
  const { counter, gauge } = yield* MetricRegistration.make
  const startSeconds = Date.now() / 1000 - process.uptime()
  gauge("summoner_build_info", "Always 1; the label has the version.", () => 1, { version })
  gauge("process_resident_memory_bytes", "Resident memory.", () => process.memoryUsage.rss())
  gauge("process_start_time_seconds", "Start of the process in seconds since the epoch.", () => startSeconds)
  counter("process_cpu_seconds_total", "User and system CPU time.", () => {
    const { system, user } = process.cpuUsage()
    return (system + user) / 1e6
  })
  if (openFiles() !== undefined) gauge("process_open_fds", "Open files.", () => openFiles() ?? 0)
  const limit = descriptorLimit()
  if (limit < Infinity) gauge("process_max_fds", "Files that may be open.", () => limit)
  for (const stat of ["p50", "p99", "max"] as const) {
    const description = "Delay of timers within the last five seconds."
    gauge("summoner_event_loop_lag_seconds", description, () => lagUnsafe()[stat] / 1000, { stat })
  }
})

/** `undefined` on systems without `/proc`. */
const openFiles = (): number | undefined => {
  try {
    return readdirSync("/proc/self/fd").length
  } catch {
    return undefined
  }
}
