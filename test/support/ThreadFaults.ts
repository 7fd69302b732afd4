/** How tests tell relay threads to fail: by memory that all threads of the process have. A channel would load the `fetch` of Node.js in each. */

/** What a thread is to do: throw, use up its memory, or hang until it is told to go on. */
export const FAULTS = ["throw", "exhaust", "hang"] as const

export type Fault = (typeof FAULTS)[number]

/** Names in the environment of threads: the memory, and what they run. To find that out themselves they would load all of Effect once more. */
export const MEMORY = "faults of the tests"
export const ENTRY = "entry of relay threads"

const MAX_THREADS = 8

/** Of threads by their index: which of the faults each is to commit next, from 1; and not 0 if one that hangs is to go on. */
export class FaultMemory {
  readonly buffer: SharedArrayBuffer
  readonly faults: Int32Array<SharedArrayBuffer>
  readonly ends: Int32Array<SharedArrayBuffer>

  constructor(buffer = new SharedArrayBuffer(2 * MAX_THREADS * Int32Array.BYTES_PER_ELEMENT)) {
    this.buffer = buffer
    this.faults = new Int32Array(buffer, 0, MAX_THREADS)
    this.ends = new Int32Array(buffer, this.faults.byteLength)
  }
}
