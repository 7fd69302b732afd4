/**
 * How large a room can be: `node bench/scale.ts` prints what the model says, `--check` measures rooms that fit on this machine and
 * prints both, after a build. docs/scaling.md#how-large-a-room-can-be explains the model.
 */
import { parseArgs } from "node:util"
import * as Servers from "./servers.ts"
import { table } from "./table.ts"
import { median } from "./workloads.ts"

const { values } = parseArgs({
  options: {
    check: { type: "boolean", default: false },
    seconds: { type: "string", default: "5" },
    rounds: { type: "string", default: "3" }
  }
})

/** What the processor does, in microseconds, fitted to `--check`. */
const MICROS = {
  /** To write to one recipient, however much: more where so many sockets do not stay in the caches. */
  write: (members: number) => 4.7 + 0.8 * Math.max(0, Math.log2(members / 200)),
  /** To copy one line of 128 bytes more for one recipient. */
  copy: 0.05,
  /** To read one line of a client, alone in its packet, and encode it. */
  read: 60,
  /** To take one line of another process. */
  take: 0.5,
  /** To give a batch to the engine, or to take one from it. */
  exchange: 35,
  /** For the engine to hand out one batch: 6 to 18 measured for a lone one; many that come together cost it less. */
  handOut: 12
}

/** As in `Room`: from so many members on, a flush is followed by a pause as long as itself, up to so many milliseconds. */
const PACED_MEMBERS = 256
const LONGEST_PAUSE_MICROS = 5000

interface Room {
  /** Clients in all. */
  readonly clients: number
  readonly processes: number
  /** Lines that all clients together send in a second. */
  readonly lines: number
  readonly bytes: number
}

/** What one process of the room does. */
const model = ({ bytes, clients, lines, processes }: Room) => {
  const members = clients / processes
  const own = lines / processes
  const copy = (MICROS.copy * bytes) / 128
  const each = members * MICROS.write(members)
  const marginal = members * copy
  // A flush takes what has come since the last one; the more come, the longer it takes, and the more come.
  let flushes = lines
  for (let i = 0; i < 100; i++) {
    const flush = each + (lines / flushes) * marginal
    const pause = members < PACED_MEMBERS ? 0 : Math.min(flush, LONGEST_PAUSE_MICROS)
    flushes = (flushes + Math.min(lines, 1e6 / (flush + pause))) / 2
  }
  const flush = each + (lines / flushes) * marginal
  const batches = Math.min(own, flushes)
  const bus =
    processes === 1 ? 0 : (batches + (processes - 1) * batches) * MICROS.exchange + (lines - own) * MICROS.take
  return {
    cores: (flushes * flush + own * MICROS.read + bus) / 1e6,
    /** From a line to its last recipient: it waits for half of a pause and a flush, then for its own flush. */
    millis: (flush + 0.5 * (1e6 / flushes)) / 1000,
    /** Bytes a second to clients. */
    egress: members * lines * (bytes + 60),
    /** Bytes a second from the engine. */
    ingress: (lines - own) * (bytes + 60),
    /** Messages a second that the engine hands out. */
    handedOut: processes * (processes - 1) * batches,
    /** Cores of all servers of the engine together. */
    engineCores: (processes * (processes - 1) * batches * MICROS.handOut) / 1e6
  }
}

const number = (value: number): string =>
  value >= 1e9
    ? `${Number((value / 1e9).toPrecision(2))} G`
    : value >= 1e6
      ? `${Number((value / 1e6).toPrecision(2))} M`
      : value >= 1e4
        ? `${Math.round(value / 1e3)} k`
        : String(value >= 100 ? Math.round(value) : Number(value.toPrecision(2)))

/** What three servers of the engine with eight cores each have. */
const ENGINE_CORES = 24

/** Of a processor a process must keep something for the rest, and no network card here carries more than 10 Gbit/s. */
const limitOf = ({ cores, egress, engineCores }: ReturnType<typeof model>): string =>
  [
    ...(cores > 0.8 ? ["processor"] : []),
    ...(egress > 1.25e9 ? ["network"] : []),
    ...(engineCores > ENGINE_CORES ? ["NATS"] : [])
  ].join(", ") || "none"

const predict = (rooms: ReadonlyArray<Room>) =>
  table(
    [
      "clients",
      "lines/s",
      "processes",
      "cores each",
      "last recipient, ms",
      "bytes/s to clients, each",
      "bus: bytes/s in, each",
      "bus: messages/s",
      "NATS, cores",
      "limit"
    ],
    rooms.map((room) => {
      const told = model(room)
      return [
        number(room.clients),
        number(room.lines),
        String(room.processes),
        told.cores.toFixed(2),
        number(told.millis),
        number(told.egress),
        number(told.ingress),
        number(told.handedOut),
        told.engineCores.toFixed(1),
        limitOf(told)
      ]
    })
  )

const ROOMS: ReadonlyArray<Room> = [
  [1000, 1, 1000],
  [1000, 1, 100],
  [5000, 1, 10],
  [10_000, 2, 10],
  [10_000, 4, 100],
  [10_000, 10, 1000],
  [100_000, 20, 10],
  [100_000, 40, 100],
  [100_000, 100, 1000],
  [1_000_000, 200, 10],
  [1_000_000, 400, 100],
  [1_000_000, 1000, 1000],
  [1_000_000, 1000, 10_000]
].map(([clients, processes, lines]) => ({ clients: clients!, processes: processes!, lines: lines!, bytes: 128 }))

/** Rooms of one process that this machine can fill: some with one that speaks, and some in which all do. */
const CHECKED = [
  { clients: 50, lines: 1000, load: "--receivers 50 --senders 1 --rate 1000" },
  { clients: 200, lines: 500, load: "--receivers 200 --senders 1 --rate 500" },
  { clients: 1000, lines: 100, load: "--receivers 1000 --senders 1 --rate 100" },
  { clients: 4000, lines: 20, load: "--receivers 4000 --senders 1 --rate 20" },
  { clients: 200, lines: 1000, load: "--receivers 0 --senders 200 --rate 5" },
  { clients: 500, lines: 500, load: "--receivers 0 --senders 500 --rate 1" },
  { clients: 1000, lines: 1000, load: "--receivers 0 --senders 1000 --rate 1" }
]

const measure = async (load: string) => {
  const server = await Servers.start(Servers.ours())
  const args = `${load} --size 128 --warmup 1 --duration ${values.seconds}`
  const measured = await Servers.load(server, Servers.ours(), args)
  await server.stop()
  const fault = Servers.faultOf(measured)
  if (fault !== undefined) throw new Error(`${load}: ${fault}`)
  return (measured.srv_cpu_user_s + measured.srv_cpu_sys_s) / measured.elapsed_s
}

if (values.check) {
  const rows = []
  for (const { clients, lines, load } of CHECKED) {
    const cores = []
    for (let round = 0; round < Number(values.rounds); round++) cores.push(await measure(load))
    const told = model({ clients, lines, processes: 1, bytes: 128 }).cores
    const measured = median(cores)
    rows.push([number(clients), number(lines), told.toFixed(2), measured.toFixed(2), (told / measured).toFixed(2)])
  }
  console.log(table(["clients", "lines/s", "cores, model", "cores, measured", "model / measured"], rows))
} else {
  console.log(predict(ROOMS))
}
