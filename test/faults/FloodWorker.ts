/** A flooder with a thread of its own, so that the clients it is to disturb are disturbed by the server alone. */
import * as Net from "node:net"
import { parentPort, workerData } from "node:worker_threads"

export interface Task {
  readonly port: number
  /** Bytes of each line, with its line feed. */
  readonly lineBytes: number
  readonly bytes: number
  /** Whether it reads what the server says. */
  readonly reads: boolean
}

export interface Outcome {
  /** Its own port, which tells its lines. */
  readonly port: number
  readonly lines: number
  readonly millis: number
}

const { bytes, lineBytes, port, reads } = workerData as Task
const chunk = Buffer.from(`${"f".repeat(lineBytes - 1)}\n`.repeat(Math.ceil(65_536 / lineBytes)))
const chunks = Math.ceil(bytes / chunk.length)
const socket = Net.connect(port, "127.0.0.1")
socket.on("error", (error) => {
  throw error
})
// A socket that is not read does not keep its thread, and with it would end the connection.
parentPort!.ref()
if (reads) socket.resume()
else socket.pause()
socket.once("connect", () => {
  const start = performance.now()
  let left = chunks
  const more = () => {
    while (left > 0) {
      const accepts = socket.write(chunk, --left === 0 ? done : undefined)
      if (!accepts) return
    }
  }
  const done = () => {
    // What the server has not reported of its lines it reports when the last of them is read.
    socket.end()
    const outcome: Outcome = {
      port: socket.localPort!,
      lines: (chunks * chunk.length) / lineBytes,
      millis: performance.now() - start
    }
    parentPort!.postMessage(outcome)
  }
  socket.on("drain", more)
  more()
})
