/** A relay thread that crashes, or hangs, when a test says so. */
import { BroadcastChannel, workerData } from "node:worker_threads"
import { builtFile } from "../../src/internal/built.ts"
import type { ThreadData } from "../../src/threads/Messages.ts"
import { type Fault, FAULTS } from "../support/ThreadFaults.ts"

const { index, incarnation }: ThreadData = workerData

const channel = new BroadcastChannel(FAULTS)
channel.unref()
channel.onmessage = ({ data }) => {
  const fault: Fault = data
  if (fault.index !== index) return
  switch (fault.kind) {
    case "throw":
      throw new Error(`thrown by thread ${incarnation}`)
    case "exhaust": {
      // In large pieces: a heap that fills slowly is collected again and again before it is full.
      const kept: Array<ReadonlyArray<number>> = []
      while (true) kept.push(Array.from<number>({ length: 2_000_000 }).fill(kept.length))
    }
    case "hang":
      Atomics.wait(new Int32Array(fault.until), 0, 0)
  }
}

await import(builtFile("RelayThread.js").href)
