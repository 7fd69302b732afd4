import { once } from "node:events"
import { readFileSync } from "node:fs"
import * as Net from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import * as Servers from "./servers.ts"
import { table } from "./table.ts"

const SECONDS = Number(process.env["D"] ?? 5)
const CLIENTS = 50
const LINE_BYTES = 128
const IDLE = Math.min(2000, Servers.maxConnections)

type Transport = "TCP" | "WebSocket"
const TRANSPORTS: ReadonlyArray<Transport> = ["TCP", "WebSocket"]

/** Clock ticks in which Linux counts processor time, in nanoseconds. */
const TICK_NANOS = 1e7

const cpuNanos = (pid: number) => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")
  return (Number(fields[11]) + Number(fields[12])) * TICK_NANOS
}

const residentKilobytes = (pid: number) =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1])

/** A client that counts the bytes it gets. */
class Client {
  readonly socket: Net.Socket
  readonly #transport: Transport
  received = 0
  onProgress: () => void = () => {}

  private constructor(socket: Net.Socket, transport: Transport) {
    this.socket = socket
    this.#transport = transport
    socket.on("data", (chunk: Buffer) => {
      this.received += chunk.length
      this.onProgress()
    })
  }

  static async connect(port: number, transport: Transport): Promise<Client> {
    const socket = Net.connect({ port, host: "127.0.0.1", noDelay: true })
    await once(socket, "connect")
    if (transport === "WebSocket") {
      const key = Buffer.alloc(16).toString("base64")
      const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13"
      socket.write(`GET / HTTP/1.1\r\nHost: bench\r\n${upgrade}\r\nSec-WebSocket-Key: ${key}\r\n\r\n`)
      const [answer] = (await once(socket, "data")) as [Buffer]
      if (!answer.toString().startsWith("HTTP/1.1 101 ") || !answer.toString().endsWith("\r\n\r\n")) {
        throw new Error(`no WebSocket: ${answer}`)
      }
    }
    return new Client(socket, transport)
  }

  /** So many lines, as this client sends them. */
  encoded(lines: number): Buffer {
    const line = "x".repeat(LINE_BYTES - 1)
    if (this.#transport === "TCP") return Buffer.from(`${line}\n`.repeat(lines))
    const mask = Buffer.of(0x12, 0x34, 0x56, 0x78)
    const payload = Buffer.from(line).map((byte, i) => byte ^ mask[i % 4]!)
    const frame = Buffer.concat([Buffer.of(0x81, 0xfe, 0, payload.length), mask, payload])
    return Buffer.concat(Array.from({ length: lines }, () => frame))
  }

  /** The bytes that a line of `sender` is when it comes to this client. */
  bytesFrom(sender: Client): number {
    const { localAddress, localPort } = sender.socket
    const envelope = `{"remote_addr":"${localAddress}:${localPort}","content":""}`.length + LINE_BYTES - 1
    return this.#transport === "TCP" ? envelope + 1 : envelope + (envelope < 126 ? 2 : 4)
  }
}

interface Load {
  readonly name: string
  /** How many of the clients send in each round, and how many lines each. */
  readonly senders: number
  readonly lines: number
}

const LOADS: ReadonlyArray<Load> = [
  { name: "one client sends one line at a time", senders: 1, lines: 1 },
  { name: "one client sends 100 lines at a time", senders: 1, lines: 100 },
  { name: "every client sends one line at a time", senders: CLIENTS, lines: 1 },
  { name: "every client sends 100 lines at a time", senders: CLIENTS, lines: 100 }
]

/** Processor time of the server for a delivery, in nanoseconds, in lockstep: the next round begins when everybody has the last. */
const measure = async (pid: number, clients: ReadonlyArray<Client>, { lines, senders }: Load): Promise<number> => {
  const sending = clients.slice(0, senders).map((client) => ({ client, data: client.encoded(lines) }))
  const perRound = clients.map((client) =>
    sending.reduce((sum, sender) => sum + (sender.client === client ? 0 : client.bytesFrom(sender.client) * lines), 0)
  )
  const began = clients.map(({ received }) => received)
  let rounds = 0
  const round = async () => {
    rounds++
    const wanted = clients.map((_, i) => began[i]! + rounds * perRound[i]!)
    const done = new Promise<void>((resolve) => {
      let behind = 0
      const look = () => {
        while (behind < clients.length && clients[behind]!.received >= wanted[behind]!) behind++
        if (behind === clients.length) resolve()
      }
      for (const client of clients) client.onProgress = look
    })
    for (const { client, data } of sending) client.socket.write(data)
    await done
    for (const [i, { received }] of clients.entries()) {
      if (received !== wanted[i]) throw new Error(`a client got ${received} bytes instead of ${wanted[i]}`)
    }
  }
  const runFor = async (seconds: number) => {
    for (const until = performance.now() + seconds * 1000; performance.now() < until;) await round()
  }
  await runFor(SECONDS / 4)
  const [before, from] = [rounds, cpuNanos(pid)]
  await runFor(SECONDS)
  return (cpuNanos(pid) - from) / ((rounds - before) * senders * lines * (clients.length - 1))
}

const start = async () => {
  const port = await Servers.freePort()
  const ours = Servers.ours()
  const command = (tcp: number) => ["env", `SUMMONER_WEBSOCKET_PORT=${port}`, ...ours.command(tcp)]
  const server = await Servers.start({ ...ours, command })
  while (!(await Servers.accepts(port))) await sleep(1)
  return { pid: server.child.pid!, stop: server.stop, ports: { TCP: server.port, WebSocket: port } }
}

const connectAll = async (count: number, port: number, transport: Transport) => {
  const clients: Array<Client> = []
  while (clients.length < count) clients.push(await Client.connect(port, transport))
  // Nobody is told when they have been let in.
  await sleep(500)
  return clients
}

/** What a WebSocket client costs beside one of TCP. */
export const printWebSocket = async () => {
  const rows: Array<ReadonlyArray<string>> = []
  for (const load of LOADS) {
    const found: Array<number> = []
    for (const transport of TRANSPORTS) {
      const { pid, ports, stop } = await start()
      const clients = await connectAll(CLIENTS, ports[transport], transport)
      found.push(await measure(pid, clients, load))
      for (const { socket } of clients) socket.destroy()
      await stop()
    }
    rows.push([load.name, ...found.map((nanos) => nanos.toFixed(0)), (found[1]! / found[0]!).toFixed(2)])
  }
  const head = [`CPU ns per delivery, ${CLIENTS} clients, lines of ${LINE_BYTES} bytes`, ...TRANSPORTS, "ratio"]
  process.stdout.write(`${table(head, rows)}\n\n`)

  const kilobytes: Array<number> = []
  for (const transport of TRANSPORTS) {
    const { pid, ports, stop } = await start()
    const few = await connectAll(200, ports[transport], transport)
    const before = residentKilobytes(pid)
    const many = await connectAll(IDLE, ports[transport], transport)
    kilobytes.push((residentKilobytes(pid) - before) / IDLE)
    for (const { socket } of [...few, ...many]) socket.destroy()
    await stop()
  }
  const row = [`RSS KB per idle connection (${IDLE})`, ...kilobytes.map((each) => each.toFixed(1))]
  process.stdout.write(`${table([row[0]!, ...TRANSPORTS], [["", ...row.slice(1)]])}\n\n`)
}
