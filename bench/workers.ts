/**
 * Two relay threads on one port beside one. Throughput and p99 with all cores there are for everybody; the cost with the threads on one
 * core and the load generator on another, where nobody disturbs them. What the busiest thread has of it bounds a machine with a core for each.
 */
import { execFileSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import * as Servers from "./servers.ts"
import { table } from "./table.ts"
import { IDLE, median, WORKLOADS } from "./workloads.ts"

const SECONDS = Number(process.env["D"] ?? 5)
const REPETITIONS = Number(process.env["REPS"] ?? 3)
const STARTS = 9
const TICKS_PER_SECOND = 100
const ROWS = new Set(["A", "E", "C", "crowd"])

const contestant = (workers: number): Servers.Contestant => {
  const alone = Servers.ours()
  return {
    ...alone,
    name: `workers-${workers}`,
    // Where a process may use one core only, one runs.
    cpus: "",
    command: (port) => ["env", `SUMMONER_HYPER_PARAMETERS_WORKER_THREADS=${workers}`, ...alone.command(port)]
  }
}

/** CPU seconds of each thread of a process. */
const cpuSeconds = (pid: number): ReadonlyMap<string, number> =>
  new Map(
    readdirSync(`/proc/${pid}/task`).map((id) => {
      const fields = readFileSync(`/proc/${pid}/task/${id}/stat`, "utf8").split(") ")[1]!.split(" ")
      return [id, (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND]
    })
  )

interface Run {
  readonly measured: Servers.Measurement
  /** CPU time of the busiest thread per delivery, in microseconds. */
  readonly busiest: number
}

const run = async (workers: number, args: string, isPinned = false): Promise<Run> => {
  const server = await Servers.start(contestant(workers))
  try {
    if (isPinned && Servers.SERVER_CPUS !== "") {
      execFileSync("taskset", ["-acp", Servers.SERVER_CPUS, String(server.child.pid!)])
    }
    const before = cpuSeconds(server.child.pid!)
    const measured = await Servers.load(server, contestant(workers), args, isPinned ? undefined : "")
    const fault = Servers.faultOf(measured)
    if (fault !== undefined) throw new Error(`${workers} workers, ${args}: ${fault}`)
    const used = Array.from(cpuSeconds(server.child.pid!), ([pid, seconds]) => seconds - (before.get(pid) ?? 0))
    const all = used.reduce((sum, seconds) => sum + seconds, 0)
    return { measured, busiest: (measured.srv_cpu_us_per_delivery * Math.max(...used)) / all }
  } finally {
    await server.stop()
  }
}

const shown = (values: ReadonlyArray<number>, digits: number) => median(values).toFixed(digits)

/** Prints what two processes do beside one. */
export const printWorkers = async () => {
  const lines: Array<ReadonlyArray<string>> = []
  for (const workload of WORKLOADS.filter(({ key }) => ROWS.has(key))) {
    const runs = new Map([1, 2].map((workers) => [workers, { free: [] as Array<Run>, pinned: [] as Array<Run> }]))
    for (let repetition = 0; repetition < REPETITIONS; repetition++) {
      for (const [workers, { free, pinned }] of runs) {
        const args = workload.load(contestant(workers), SECONDS)
        free.push(await run(workers, args))
        pinned.push(await run(workers, args, true))
      }
    }
    for (const [workers, { free, pinned }] of runs) {
      lines.push([
        workload.title,
        String(workers),
        Math.round(median(free.map(({ measured }) => measured.deliveries_per_sec))).toLocaleString("en"),
        shown(
          free.map(({ measured }) => measured.lat_us.p99 / 1000),
          1
        ),
        shown(
          pinned.map(({ measured }) => measured.srv_cpu_us_per_delivery),
          3
        ),
        shown(
          pinned.map(({ busiest }) => busiest),
          3
        )
      ])
    }
  }
  console.log(table(["workload", "threads", "deliveries/s", "p99 ms", "CPU µs/delivery", "of the busiest"], lines))

  const starts: Array<ReadonlyArray<string>> = []
  for (const workers of [1, 2]) {
    const millis: Array<number> = []
    for (let start = 0; start < STARTS; start++) {
      const server = await Servers.start(contestant(workers))
      millis.push(server.startMillis)
      await server.stop()
    }
    const { measured } = await run(workers, IDLE.load(contestant(workers), SECONDS))
    starts.push([String(workers), shown(millis, 0), measured.accepted_s.toFixed(2)])
  }
  console.log(table(["threads", "from exec to listening, ms", `${IDLE.title}, s`], starts))
}
