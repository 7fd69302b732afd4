/** A relay thread that crashes, or hangs, when a test says so. */
/// <reference lib="es2024.sharedmemory" />
import { getEnvironmentData, workerData } from "node:worker_threads"
import type { ThreadData } from "../../src/threads/Messages.ts"
import { ENTRY, type Fault, FaultMemory, FAULTS, MEMORY } from "../support/ThreadFaults.ts"

const { index, incarnation }: ThreadData = workerData

const { ends, faults } = new FaultMemory(getEnvironmentData(MEMORY) as SharedArrayBuffer)

const commit = (fault: Fault | undefined) => {
  switch (fault) {
    case "throw":
      throw new Error(`thrown by thread ${incarnation}`)
    case "exhaust": {
      // In large pieces: a heap that fills slowly is collected again and again before it is full.
      const kept: Array<ReadonlyArray<number>> = []
      while (true) kept.push(Array<number>(2_000_000).fill(kept.length))
    }
    case "hang":
      Atomics.wait(ends, index, 0)
  }
}

const obey = async () => {
  await Atomics.waitAsync(faults, index, 0).value
  // Not in the promise: a thread that throws is one with an exception that nobody catches.
  setImmediate(() => {
    commit(FAULTS[Atomics.exchange(faults, index, 0) - 1])
    void obey()
  })
}
void obey()

await import(String(getEnvironmentData(ENTRY)))
