/**
 * What it costs that the room is spread over processes: `node bench/bus.ts [--seconds 5] [--rounds 3]`, after a build; medians of the rounds. The same load runs against
 * one relay that has sender and receivers, and against two, with a server of NATS between the sender's and the receivers'.
 */
import { readFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"
import * as Servers from "./servers.ts"
import { table } from "./table.ts"
import { median } from "./workloads.ts"

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "5" }, rounds: { type: "string", default: "3" } }
})

const LOADS = [
  { title: "as fast as it goes", receivers: 50, load: "--senders 1 --size 128 --rate 0" },
  { title: "as fast as it goes", receivers: 1, load: "--senders 1 --size 128 --rate 0" },
  { title: "one line at a time, 1000/s", receivers: 50, load: "--senders 1 --size 128 --rate 1000" },
  { title: "one line at a time, 1000/s", receivers: 1, load: "--senders 1 --size 128 --rate 1000" }
]

/** Processor time of a process so far, in seconds. */
const cpuSeconds = (pid: number) => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")
  return (Number(fields[11]) + Number(fields[12])) / 100
}

const relay = (name: string, natsPort?: number): Servers.Contestant => ({
  ...Servers.ours(),
  name,
  command: (port) => [
    "env",
    ...(natsPort === undefined ? [] : [`SUMMONER_CLUSTER_NATS_SERVERS=nats://127.0.0.1:${natsPort}`]),
    ...Servers.ours().command(port)
  ],
  // The servers share what the load generator leaves: this measures costs, not how well they spread.
  cpus: Servers.SERVER_CPUS
})

const nats = () =>
  Servers.start({
    name: "nats-bus",
    protocol: "nats",
    command: (port) => ["nats-server", "-a", "127.0.0.1", "-p", String(port)],
    cpus: Servers.SERVER_CPUS
  })

/** One run: what the load generator saw, and the processor time a line took in each process, in microseconds. */
const run = async ({ load, receivers, title }: (typeof LOADS)[number], isSpread: boolean) => {
  const engine = isSpread ? await nats() : undefined
  const far = await Servers.start(relay("far", engine?.port))
  const near = isSpread ? await Servers.start(relay("near", engine!.port)) : far
  // Until they know of each other, a first line reaches nobody.
  if (isSpread) await sleep(500)
  const processes = [...new Set([near, far, ...(engine === undefined ? [] : [engine])])]
  const before = processes.map(({ child }) => cpuSeconds(child.pid!))
  const measured = await Servers.load(
    far,
    relay("far"),
    `${load} --receivers ${receivers} --duration ${values.seconds} --send-port ${near.port}`
  )
  const fault = Servers.faultOf(measured)
  if (fault !== undefined) throw new Error(`${title}, ${isSpread ? "two relays" : "one relay"}: ${fault}`)
  const lines = measured.received / receivers
  const micros = processes.map(({ child }, i) => ((cpuSeconds(child.pid!) - before[i]!) * 1e6) / lines)
  for (const { stop } of processes) await stop()
  return { deliveries: measured.deliveries_per_sec, p50: measured.lat_us.p50, p99: measured.lat_us.p99, micros }
}

const rounds: Array<ReadonlyArray<Awaited<ReturnType<typeof run>>>> = []
const cases = LOADS.flatMap((load) => [false, true].map((isSpread) => ({ load, isSpread })))
for (let round = 0; round < Number(values.rounds); round++) {
  const results = []
  for (const { isSpread, load } of cases) results.push(await run(load, isSpread))
  rounds.push(results)
}

const rows = cases.map(({ isSpread, load: { receivers, title } }, i) => {
  const of = (value: (result: Awaited<ReturnType<typeof run>>) => number) =>
    median(rounds.map((results) => value(results[i]!)))
  const micros = Array.from({ length: isSpread ? 3 : 1 }, (_, process) => of((result) => result.micros[process]!))
  return [
    `${title}, ${receivers === 1 ? "1 receiver" : `${receivers} receivers`}`,
    isSpread ? "two relays, NATS" : "one relay",
    Math.round(of(({ deliveries }) => deliveries)).toLocaleString("en"),
    of(({ p50 }) => p50).toFixed(0),
    of(({ p99 }) => p99).toFixed(0),
    micros.map((micro) => micro.toFixed(1)).join(" + ")
  ]
})
console.log(
  table(["load", "room", "deliveries/s", "p50 µs", "p99 µs", "CPU µs/line (sender's relay + receivers' + NATS)"], rows)
)
