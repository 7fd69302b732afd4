/**
 * Runs inside the server, by `node --import`, and answers the bench over the channel between the two processes. It must
 * not be there when speed is measured.
 */
import { getHeapStatistics, setFlagsFromString, writeHeapSnapshot } from "node:v8"
import { runInNewContext } from "node:vm"

/** What the server's process has done since it started, and has now. */
export interface Sample {
  /** Bytes that V8 has ever allocated. */
  readonly allocatedBytes: number
  readonly memory: NodeJS.MemoryUsage
}

export type Request =
  | { readonly ask: "sample" }
  /** Collects garbage first. */
  | { readonly ask: "live sample"; readonly snapshot?: string }

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

process.on("message", (request: Request) => {
  if (request.ask === "live sample") {
    // Twice: what the first one finalises is free after the second.
    collectGarbage()
    collectGarbage()
  }
  const { total_allocated_bytes } = getHeapStatistics() as { readonly total_allocated_bytes?: number }
  const sample: Sample = { allocatedBytes: total_allocated_bytes ?? Number.NaN, memory: process.memoryUsage() }
  if (request.ask === "live sample" && request.snapshot !== undefined) writeHeapSnapshot(request.snapshot)
  process.send!(sample)
})
// The channel must not keep the server running.
process.channel?.unref()
