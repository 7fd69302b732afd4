/** Loaded into a server by `--import`: at each SIGUSR2 its threads collect their garbage, and say what is left in their heaps, in bytes. */
import { getHeapStatistics, setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { BroadcastChannel, isMainThread } from "node:worker_threads"

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc") as () => void
const channel = new BroadcastChannel("heap probe")

const say = (round: number) => {
  collect()
  console.error(`heap ${round}: ${getHeapStatistics().used_heap_size}`)
}

channel.addEventListener("message", ({ data }) => say(data as number))
channel.unref()

let rounds = 0
if (isMainThread) {
  process.on("SIGUSR2", () => {
    channel.postMessage(++rounds)
    say(rounds)
  })
}
