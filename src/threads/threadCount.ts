import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { availableParallelism } from "node:os"
import { getHeapStatistics } from "node:v8"
import { ServerConfig } from "../config/CurrentConfig.ts"

/** What a machine gives relay threads. */
export interface Machine {
  /** Cores that this process may use. */
  readonly cores: number
  /** Whether several sockets of a process may listen on one port (`SO_REUSEPORT`). */
  readonly sharesPorts: boolean
  /** What the heap of a process may grow to. */
  readonly heapMebibytes: number
}

/** Systems whose kernel spreads the connections of a port over its sockets. */
const SHARING_PLATFORMS: ReadonlySet<NodeJS.Platform> = new Set(["linux", "freebsd", "sunos", "aix"])

/** Node.js has `reusePort` from 22.12 and 23.1 on. */
const hasReusePort = (version: string): boolean => {
  const [major = 0, minor = 0] = version.split(".").map(Number)
  return major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12)
}

/** This machine; tests may have another one. */
export const Machine = Context.Reference<Machine>("summoner-server/Machine", {
  defaultValue: () => ({
    cores: availableParallelism(),
    sharesPorts: SHARING_PLATFORMS.has(process.platform) && hasReusePort(process.versions.node),
    heapMebibytes: getHeapStatistics().heap_size_limit / 1024 / 1024
  })
})

/** How many relay threads run, and what there is to say if fewer than configured. */
export const threadCount = Effect.gen(function* () {
  const { worker_threads } = (yield* ServerConfig).hyper_parameters
  const { cores, sharesPorts } = yield* Machine
  const count = sharesPorts ? Math.min(worker_threads, cores) : 1
  if (count === worker_threads) return { count, remark: undefined }
  const why = sharesPorts
    ? `this machine has ${cores === 1 ? "1 core" : `${cores} cores`}`
    : `Node.js ${process.versions.node} on ${process.platform} cannot share a port between threads`
  return { count, remark: remarkOn(worker_threads, count, why) }
})

/** What there is to say where fewer threads run than configured. */
export const remarkOn = (configured: number, count: number, why: string): string =>
  `worker_threads: ${configured} configured, ${count === 1 ? "1 runs" : `${count} run`}: ${why}`
