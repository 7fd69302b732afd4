/**
 * Measures this server beside others, in one run: `npm run bench [-- row …]`. Rows: those of `workloads.ts`, `idle`,
 * `start`; not among those run by default: `workers`, `faults`, `memory`, `gc`, `websocket`, `encoding`. `D` seconds for each measurement, `REPS`
 * repetitions.
 *
 * Ends with an error if a delivery was lost, duplicated, reordered or corrupt. A goal missed is only marked: machines are
 * noisy.
 */
import { existsSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"
import * as Servers from "./servers.ts"
import { table } from "./table.ts"
import { IDLE, type Goal, longestConnect, type Metric, median, ratioOf, type Round } from "./workloads.ts"
import { idleKilobytes, secondsToConnect, valueOf, type Workload, WORKLOADS } from "./workloads.ts"

const SECONDS = Number(process.env["D"] ?? 5)
const REPETITIONS = Number(process.env["REPS"] ?? 1)
const STARTS = 9
if (!(SECONDS > 0) || !(REPETITIONS >= 1)) throw new Error("D and REPS must be numbers above 0")
/** Where Linux distributions have theirs. */
const SYSTEM_NODE = process.env["SYSTEM_NODE"] ?? "/usr/bin/node"

const KEYS = [...WORKLOADS.map(({ key }) => key), IDLE.key, "start"]
/** Slow to run, or of this server alone: only when asked for. */
const EXTRAS: Record<string, () => Promise<{ readonly print: () => Promise<void> }>> = {
  workers: async () => ({ print: (await import("./workers.ts")).printWorkers }),
  faults: async () => ({ print: (await import("./faults.ts")).printFaults }),
  memory: async () => ({ print: (await import("./memory.ts")).printMemory }),
  gc: async () => ({ print: (await import("./gc.ts")).printPauses }),
  websocket: async () => ({ print: (await import("./websocket.ts")).printWebSocket }),
  encoding: async () => ({ print: (await import("./encoding.ts")).printEncoding })
}

const faults: Array<string> = []
const goals: Array<ReadonlyArray<string>> = []

const run = async (workload: Workload, contestant: Servers.Contestant) => {
  const server = await Servers.start(contestant)
  try {
    // What the start leaves behind is not part of the measurement.
    await sleep(300)
    const measured = await Servers.load(server, contestant, workload.load(contestant, SECONDS))
    const fault = Servers.faultOf(measured)
    if (fault !== undefined) faults.push(`${workload.key}, ${contestant.name}: ${fault}`)
    return measured
  } finally {
    await server.stop()
  }
}

const measure = async (workload: Workload, contestants: ReadonlyArray<Servers.Contestant>) => {
  const rounds: Array<Round> = []
  for (let repetition = 0; repetition < REPETITIONS; repetition++) {
    const round: Record<string, Servers.Measurement> = {}
    for (const contestant of contestants) {
      progress(`${workload.key}: ${contestant.name}`)
      round[contestant.name] = await run(workload, contestant)
    }
    rounds.push(round)
  }
  for (const goal of workload.goals) mark(workload.title, goal, rounds)
  return rounds
}

const mark = (title: string, goal: Goal, rounds: ReadonlyArray<Round>) => {
  const value = goal.value(rounds)
  if (value === undefined) return
  const measured = `${rounded(value)} ${goal.unit}`.trimEnd()
  goals.push([title, goal.text, measured, goal.isMet(value) ? "pass" : "**miss**"])
}

const progress = (text: string) => {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

const rounded = (value: number) =>
  value >= 1000 ? Math.round(value).toLocaleString("en") : value >= 100 ? value.toFixed(0) : value.toPrecision(3)

const print = (text: string) => {
  progress("")
  process.stdout.write(`${text}\n\n`)
}

const LOAD_COLUMNS: ReadonlyArray<Metric & { readonly digits: number }> = [
  { name: "deliveries/s", of: (m) => m.deliveries_per_sec, digits: 0 },
  { name: "p50 ms", of: (m) => m.lat_us.p50 / 1000, digits: 1 },
  { name: "p99 ms", of: (m) => m.lat_us.p99 / 1000, digits: 1 },
  { name: "longest ms", of: (m) => m.lat_us.max / 1000, digits: 1 },
  { name: "CPU µs/delivery", of: (m) => m.srv_cpu_us_per_delivery, digits: 3 },
  { name: "RSS MB", of: (m) => m.rss_max_kb / 1024, digits: 1 }
]
const IDLE_COLUMNS = [
  { ...idleKilobytes, digits: 1 },
  { ...secondsToConnect, digits: 2 },
  { ...longestConnect, name: "longest connect, ms", digits: 1 }
]

const cells = (rounds: ReadonlyArray<Round>, server: string, columns: typeof LOAD_COLUMNS) =>
  columns.map((column) =>
    valueOf(rounds, server, column)!.toLocaleString("en", {
      minimumFractionDigits: column.digits,
      maximumFractionDigits: column.digits
    })
  )

const ratios = (rounds: ReadonlyArray<Round>, server: string, { compared }: Workload) =>
  ["limit", "nats", "redis"].map((other) => {
    const ratio = server === other ? undefined : ratioOf(rounds, server, other, compared)
    return ratio === undefined ? "" : `${ratio.toFixed(2)} × ${compared.short ?? compared.name}`
  })

const tableOf = async (
  workloads: ReadonlyArray<Workload>,
  servers: ReadonlyArray<Servers.Contestant>,
  columns: typeof LOAD_COLUMNS
) => {
  const rows: Array<ReadonlyArray<string>> = []
  for (const workload of workloads) {
    const contestants = workload.contestants?.() ?? servers
    const rounds = await measure(workload, contestants)
    for (const [i, { name }] of contestants.entries()) {
      rows.push([
        i === 0 ? workload.title : "",
        name,
        ...cells(rounds, name, columns),
        ...ratios(rounds, name, workload)
      ])
    }
  }
  if (rows.length > 0) {
    print(table(["load", "server", ...columns.map(({ name }) => name), "to limit", "to NATS", "to Redis"], rows))
  }
}

/** From the start of the process to the first connection, the median of several. */
const printStart = async () => {
  const systemNode = existsSync(SYSTEM_NODE) ? [{ node: SYSTEM_NODE, bound: 150, text: "the system's Node.js" }] : []
  const rows: Array<ReadonlyArray<string>> = []
  for (const { bound, node, text } of [{ node: process.execPath, bound: 100, text: "Node.js" }, ...systemNode]) {
    const times: Array<number> = []
    for (let i = 0; i < STARTS; i++) {
      progress(`start: ${text}`)
      const server = await Servers.start(Servers.ours(node))
      times.push(server.startMillis)
      await server.stop()
    }
    const version = `${text} ${Servers.versionOf(node)}`
    const value = median(times)
    rows.push([version, value.toFixed(0), Math.min(...times).toFixed(0), Math.max(...times).toFixed(0)])
    goals.push([
      `start to listening, ${version}`,
      `≤ ${bound} ms`,
      `${value.toFixed(0)} ms`,
      value <= bound ? "pass" : "**miss**"
    ])
  }
  print(table([`start to listening, ${STARTS} times`, "median ms", "fastest", "slowest"], rows))
}

const main = async () => {
  const { positionals } = parseArgs({ allowPositionals: true })
  const fromEnvironment = process.env["WORKLOADS"]?.split(/[\s,]+/).filter((key) => key !== "") ?? []
  const asked = positionals.length > 0 ? positionals : fromEnvironment
  const unknown = asked.filter((key) => !KEYS.includes(key) && !(key in EXTRAS))
  if (unknown.length > 0) {
    process.stderr.write(
      `no such row: ${unknown.join(", ")}; there are ${[...KEYS, ...Object.keys(EXTRAS)].join(", ")}\n`
    )
    process.exitCode = 2
    return
  }
  const isSelected = (key: string) => (asked.length === 0 ? KEYS.includes(key) : asked.includes(key))

  const loads = WORKLOADS.filter(({ key }) => isSelected(key))
  const contestants = loads.length > 0 || isSelected(IDLE.key) ? Servers.contestants() : []
  await tableOf(loads, contestants, LOAD_COLUMNS)
  if (isSelected(IDLE.key)) await tableOf([IDLE], contestants, IDLE_COLUMNS)
  if (isSelected("start")) await printStart()
  for (const [key, extra] of Object.entries(EXTRAS)) if (isSelected(key)) await (await extra()).print()

  if (goals.length > 0) print(table(["load", "goal", "measured", ""], goals))
  if (faults.length > 0) {
    process.stderr.write(`FAULTY DELIVERIES\n${faults.map((fault) => `  ${fault}\n`).join("")}`)
    process.exitCode = 1
  }
}

await main()
