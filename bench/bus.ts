/**
 * What it costs that the room is spread over processes: `node bench/bus.ts [--seconds 5] [--rounds 3]`, after a build; medians of the rounds. The same load runs against
 * one relay that has sender and receivers, and against two, with a server of NATS between the sender's and the receivers'; lone lines also against six,
 * of which four have no clients. `--load lone` runs these alone, `--load bulk` the others.
 */
import { readFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"
import * as Servers from "./servers.ts"
import { table } from "./table.ts"
import { median } from "./workloads.ts"

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "5" },
    rounds: { type: "string", default: "3" },
    load: { type: "string", default: "" }
  }
})

const BULK = "as fast as it goes"
const LONE = "one line at a time, 1000/s"

const LOADS = [
  { title: BULK, receivers: 50, load: "--senders 1 --size 128 --rate 0", relays: [1, 2] },
  { title: BULK, receivers: 1, load: "--senders 1 --size 128 --rate 0", relays: [1, 2] },
  { title: LONE, receivers: 50, load: "--senders 1 --size 128 --rate 1000", relays: [1, 2, 6] },
  { title: LONE, receivers: 1, load: "--senders 1 --size 128 --rate 1000", relays: [1, 2, 6] }
].filter(({ title }) => values.load === "" || title === (values.load === "lone" ? LONE : BULK))

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

/** One run: what the load generator saw, and the processor time that a line took in each part of the room, in microseconds. */
const run = async ({ load, receivers, title }: (typeof LOADS)[number], relays: number) => {
  const isSpread = relays > 1
  const engine = isSpread ? await nats() : undefined
  const far = await Servers.start(relay("far", engine?.port))
  const near = isSpread ? await Servers.start(relay("near", engine!.port)) : far
  const others = []
  for (let i = 2; i < relays; i++) others.push(await Servers.start(relay(`other ${i}`, engine!.port)))
  // Until they know of each other, a first line reaches nobody.
  if (isSpread) await sleep(500)
  const parts = engine === undefined ? [[near]] : [[near], [far], [engine], ...(others.length === 0 ? [] : [others])]
  const spent = () => parts.map((processes) => processes.reduce((sum, { child }) => sum + cpuSeconds(child.pid!), 0))
  const before = spent()
  const measured = await Servers.load(
    far,
    relay("far"),
    `${load} --receivers ${receivers} --duration ${values.seconds} --send-port ${near.port}`
  )
  const fault = Servers.faultOf(measured)
  if (fault !== undefined) throw new Error(`${title}, ${relays} relays: ${fault}`)
  const lines = measured.received / receivers
  const micros = spent().map((seconds, i) => ((seconds - before[i]!) * 1e6) / lines)
  for (const { stop } of parts.flat()) await stop()
  return { deliveries: measured.deliveries_per_sec, p50: measured.lat_us.p50, p99: measured.lat_us.p99, micros }
}

const rounds: Array<ReadonlyArray<Awaited<ReturnType<typeof run>>>> = []
const cases = LOADS.flatMap((load) => load.relays.map((relays) => ({ load, relays })))
for (let round = 0; round < Number(values.rounds); round++) {
  const results = []
  for (const { load, relays } of cases) results.push(await run(load, relays))
  rounds.push(results)
}

const rows = cases.map(({ load: { receivers, title }, relays }, i) => {
  const of = (value: (result: Awaited<ReturnType<typeof run>>) => number) =>
    median(rounds.map((results) => value(results[i]!)))
  const micros = rounds[0]![i]!.micros.map((_, part) => of((result) => result.micros[part]!))
  return [
    `${title}, ${receivers === 1 ? "1 receiver" : `${receivers} receivers`}`,
    relays === 1 ? "one relay" : `${relays === 2 ? "two" : "six"} relays, NATS`,
    Math.round(of(({ deliveries }) => deliveries)).toLocaleString("en"),
    of(({ p50 }) => p50).toFixed(0),
    of(({ p99 }) => p99).toFixed(0),
    micros.map((micro) => micro.toFixed(1)).join(" + "),
    of((result) => result.micros.reduce((sum, micro) => sum + micro, 0)).toFixed(0)
  ]
})
console.log(
  table(
    [
      "load",
      "room",
      "deliveries/s",
      "p50 µs",
      "p99 µs",
      "CPU µs/line (sender's relay + receivers' + NATS + others)",
      "in all"
    ],
    rows
  )
)
