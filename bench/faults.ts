import { once } from "node:events"
import * as Net from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { Worker } from "node:worker_threads"
import * as Servers from "./servers.ts"
import { table } from "./table.ts"

const SECONDS = Number(process.env["D"] ?? 5)

/** Between two messages of a bystander. */
const EVERY_MILLIS = 10

const GRACE_MILLIS = 1000

/** Starts the server with these variables. */
const start = (variables: Readonly<Record<string, number>>) => {
  const ours = Servers.ours()
  const env = Object.entries(variables).map(([name, value]) => `SUMMONER_HYPER_PARAMETERS_${name}=${value}`)
  return Servers.start({ ...ours, command: (port) => ["env", ...env, ...ours.command(port)] })
}

const connect = async (port: number) => {
  const socket = Net.connect({ port, host: "127.0.0.1", noDelay: true })
  await once(socket, "connect")
  return socket
}

/** Sends lines without end, as fast as the server takes them, from a thread of its own. */
const flood = (port: number, reads: boolean) =>
  new Worker(
    `const { port, reads } = require("node:worker_threads").workerData
    const socket = require("node:net").connect(port, "127.0.0.1").on("error", () => {})
    if (reads) socket.resume()
    const chunk = Buffer.from(("f".repeat(99) + "\\n").repeat(655))
    const more = () => { while (socket.write(chunk)) continue }
    socket.on("drain", more).once("connect", more)`,
    { eval: true, workerData: { port, reads } }
  )

/** A client that sends lines which end with when they were sent, and one that keeps how old each is at its arrival, in milliseconds. */
const pair = async (port: number) => {
  const [sender, reader] = [await connect(port), await connect(port)]
  const ages: Array<number> = []
  let rest = ""
  reader.setEncoding("latin1").on("data", (text: string) => {
    const lines = (rest + text).split("\n")
    rest = lines.pop()!
    for (const line of lines) {
      const [, sentAt] = /[" ]([\d.]+)"\}$/.exec(line) ?? []
      if (sentAt !== undefined) ages.push(performance.now() - Number(sentAt))
    }
  })
  return { sender, reader, ages }
}

/** The age that 99 of 100 messages do not exceed; Infinity if none has arrived. */
const p99 = (ages: ReadonlyArray<number>) => ages.toSorted((a, b) => a - b)[Math.floor(ages.length * 0.99)] ?? Infinity

/** Connections that send together, and so many bytes a second in all. */
const CROWD = { connections: 20, bytesPerSecond: 15_000_000 }

/** More lines a minute than anybody sends. */
const UNLIMITED = 100_000_000

/** Sends a line in Latin-1 again and again over each of the connections, from a thread of its own, unless the server holds it back. */
const crowd = (port: number, line: string) => {
  const { bytesPerSecond, connections } = CROWD
  const lines = Math.ceil((bytesPerSecond * EVERY_MILLIS) / 1000 / connections / (line.length + 1))
  return new Worker(
    `const { port, connections, text, everyMillis } = require("node:worker_threads").workerData
    const connect = () => require("node:net").connect(port, "127.0.0.1").on("error", () => {}).resume()
    const sockets = Array.from({ length: connections }, connect)
    const send = () => { for (const socket of sockets) if (!socket.writableNeedDrain) socket.write(text, "latin1") }
    setInterval(send, everyMillis)`,
    { eval: true, workerData: { port, connections, text: `${line}\n`.repeat(lines), everyMillis: EVERY_MILLIS } }
  )
}

/** The age that 99 of 100 messages to a bystander of a flood do not exceed, in milliseconds. */
const bystander = async (startFlood: (port: number) => Worker, limit = 6000) => {
  const server = await start({ RATE_LIMIT_MSGS_PER_MINUTE: limit })
  const { ages, reader, sender } = await pair(server.port)
  const flooder = startFlood(server.port)
  const talking = setInterval(() => sender.write(`${performance.now()}\n`), EVERY_MILLIS)
  await sleep(SECONDS * 1000)
  clearInterval(talking)
  await flooder.terminate()
  for (const socket of [sender, reader]) socket.destroy()
  await server.stop()
  return p99(ages)
}

/** From SIGTERM to the exit of a server in full load, one of whose clients never reads, in milliseconds. */
const end = async () => {
  const server = await start({
    SHUTDOWN_GRACE_MS: GRACE_MILLIS,
    SLOW_CONSUMER_SOFT_LIMIT_BYTES: 65_536,
    SLOW_CONSUMER_HARD_LIMIT_BYTES: 1_000_000_000
  })
  const [reader, deaf] = [await connect(server.port), await connect(server.port)]
  reader.resume()
  reader.once("end", () => reader.end())
  deaf.pause()
  const flooder = flood(server.port, true)
  await sleep(SECONDS * 1000)
  const from = performance.now()
  await server.stop()
  const millis = performance.now() - from
  await flooder.terminate()
  for (const socket of [reader, deaf]) socket.destroy()
  return millis
}

/** Clients of a room that stop reading. */
const STALLED = 20

/** Between two clients that stop reading, in milliseconds: all have stopped in the first half of a measurement. */
const EVERY_STOP_MILLIS = (SECONDS * 1000) / 2 / STALLED

/**
 * The age that 99 of 100 messages to a reader do not exceed, in milliseconds, beside clients that never read, or that stop reading one after
 * another, under a steady load of 10 MB/s.
 */
const besideStalled = async (oneAfterAnother: boolean) => {
  const server = await start({ RATE_LIMIT_MSGS_PER_MINUTE: 1_000_000 })
  const { ages, reader, sender } = await pair(server.port)
  const stalled: Array<Net.Socket> = []
  for (let i = 0; i < STALLED; i++) stalled.push((await connect(server.port)).on("error", () => {}).resume())
  const filling = "x".repeat(1000)
  const talking = setInterval(() => sender.write(`${filling} ${performance.now()}\n`.repeat(100)), EVERY_MILLIS)
  for (const socket of stalled) {
    socket.pause()
    if (oneAfterAnother) await sleep(EVERY_STOP_MILLIS)
  }
  await sleep(oneAfterAnother ? (SECONDS * 1000) / 2 : SECONDS * 1000)
  clearInterval(talking)
  for (const socket of [sender, reader, ...stalled]) socket.destroy()
  await server.stop()
  return p99(ages)
}

/** What clients notice of the faults of others. `test/faults` has what must hold however long it takes. */
export const printFaults = async () => {
  const rows: Array<readonly [name: string, bound: number, millis: number]> = [
    ["p99 to a bystander of a flood over the rate limit", 50, await bystander((port) => flood(port, true))],
    ["the same, and the flooder reads no warnings", 50, await bystander((port) => flood(port, false))],
    [
      `p99 beside ${CROWD.connections} connections that send 15 MB/s of lines which are not UTF-8; goal: as beside lines of 1 KiB which are relayed`,
      Math.round(await bystander((port) => crowd(port, "x".repeat(1023)), UNLIMITED)),
      await bystander((port) => crowd(port, "\xff"))
    ],
    [`p99 to a reader beside ${STALLED} clients that never read`, 250, await besideStalled(false)],
    ["the same, and they stop one after another", 250, await besideStalled(true)],
    [`SIGTERM to the exit in full load, grace ${GRACE_MILLIS} ms`, GRACE_MILLIS + 1000, await end()]
  ]
  const cells = rows.map(([name, bound, millis]) => [
    name,
    `≤ ${bound}`,
    millis.toFixed(0),
    millis <= bound ? "pass" : "**miss**"
  ])
  process.stdout.write(`${table(["fault", "goal, ms", "measured, ms", ""], cells)}\n\n`)
}
