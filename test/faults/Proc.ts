/** What the kernel says about the server's process. */
import { it } from "@effect/vitest"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { timeout } from "./form.ts"

const AVAILABLE = existsSync("/proc/self/status")

/** A test that needs these numbers. */
export const itMeasures = (name: string, test: Parameters<typeof it.live>[1]) =>
  it.live.skipIf(!AVAILABLE)(AVAILABLE ? name : `${name} (skipped: there is no /proc to measure with)`, test, timeout)

const kibibytes = (pid: number, field: "VmRSS" | "VmHWM") => {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))
  return Number(match![1]) * 1024
}

/**
 * Begins to watch the memory of a process; the result tells its growth since then at its peak, in bytes, and the peak. The
 * kernel keeps the peak, so that none is missed between two samples.
 */
export const watchMemory = (pid: number) => {
  const before = kibibytes(pid, "VmRSS")
  writeFileSync(`/proc/${pid}/clear_refs`, "5")
  return () => {
    const peak = kibibytes(pid, "VmHWM")
    return { growth: peak - before, peak }
  }
}

/** The memory of the process, in bytes. */
export const residentBytes = (pid: number): number => kibibytes(pid, "VmRSS")

/** The files and sockets that the process has open, by their numbers. */
export const descriptors = (pid: number): ReadonlyArray<number> => readdirSync(`/proc/${pid}/fd`).map(Number)

/** The processor time that the process has used, in milliseconds. */
export const processorMillis = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  // utime and stime, in hundredths of a second on every Linux.
  return (Number(fields[11]) + Number(fields[12])) * 10
}
