import { once } from "node:events"
import { readFileSync } from "node:fs"
import * as Net from "node:net"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import * as Servers from "./servers.ts"
import { table } from "./table.ts"

const CONNECTIONS = Math.min(10_000, Servers.maxConnections)
const SHOWN = 24

interface Snapshot {
  readonly snapshot: {
    readonly meta: { readonly node_fields: ReadonlyArray<string>; readonly node_types: [ReadonlyArray<string>] }
  }
  readonly nodes: ReadonlyArray<number>
  readonly strings: ReadonlyArray<string>
}

/** Bytes and objects of a heap snapshot, by what they are. */
const inventory = (file: string) => {
  const { nodes, snapshot, strings } = JSON.parse(readFileSync(file, "utf8")) as Snapshot
  const { node_fields, node_types } = snapshot.meta
  const [type, name, size] = ["type", "name", "self_size"].map((field) => node_fields.indexOf(field)) as [
    number,
    number,
    number
  ]
  const found = new Map<string, { bytes: number; objects: number }>()
  for (let i = 0; i < nodes.length; i += node_fields.length) {
    const kind = node_types[0][nodes[i + type]!]!
    const label = kind === "object" || kind === "native" || kind === "closure" ? strings[nodes[i + name]!]! : ""
    const what = label === "" || label.length > 40 ? `(${kind})` : kind === "object" ? label : `(${kind}) ${label}`
    const entry = found.get(what) ?? { bytes: 0, objects: 0 }
    entry.bytes += nodes[i + size]!
    entry.objects++
    found.set(what, entry)
  }
  return found
}

/** What an idle connection costs, and what the bytes are. */
export const printMemory = async () => {
  const server = await Servers.startProbed()
  const clients: Array<Net.Socket> = []
  const connect = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const socket = Net.connect(server.port, "127.0.0.1")
      clients.push(socket)
      await once(socket, "connect")
    }
  }
  // Code that runs for the first time compiles: that is not a connection's cost.
  await connect(100)
  await sleep(300)
  const file = (name: string) => join(Servers.scratch, `${name}.heapsnapshot`)
  await server.ask({ ask: "live sample", snapshot: file("warm") })
  const before = await server.ask({ ask: "live sample", snapshot: file("before") })
  await connect(CONNECTIONS)
  await sleep(500)
  const asTheyAre = await server.ask({ ask: "sample" })
  const after = await server.ask({ ask: "live sample", snapshot: file("after") })
  for (const socket of clients) socket.destroy()
  await server.stop()

  const each = (bytes: number) => (bytes / CONNECTIONS).toFixed(0)
  const figures = (sample: typeof before) => {
    const { arrayBuffers, external, heapTotal, heapUsed, rss } = sample.memory
    const { memory } = before
    return [
      rss - memory.rss,
      heapTotal - memory.heapTotal,
      heapUsed - memory.heapUsed,
      external - memory.external,
      arrayBuffers - memory.arrayBuffers,
      rss - memory.rss - (heapTotal - memory.heapTotal)
    ].map(each)
  }
  const columns = ["RSS", "heap reserved", "heap used", "external", "array buffers", "RSS outside the heap"]
  const rows = [
    ["as they are", ...figures(asTheyAre)],
    ["after a collection", ...figures(after)]
  ]
  process.stdout.write(`${table([`bytes per connection (${CONNECTIONS})`, ...columns], rows)}\n\n`)

  const [old, now] = [inventory(file("before")), inventory(file("after"))]
  const grown = [...now]
    .map(([what, { bytes, objects }]) => {
      const was = old.get(what) ?? { bytes: 0, objects: 0 }
      return { what, bytes: bytes - was.bytes, objects: objects - was.objects }
    })
    .filter(({ bytes }) => bytes / CONNECTIONS >= 1)
    .toSorted((a, b) => b.bytes - a.bytes)
  const sum = grown.reduce((total, { bytes }) => total + bytes, 0)
  const inventoryRows = grown
    .slice(0, SHOWN)
    .map(({ bytes, objects, what }) => [what, each(bytes), (objects / CONNECTIONS).toFixed(1)])
  process.stdout.write(
    `${table(["in the heap", "bytes per connection", "objects"], [...inventoryRows, ["all", each(sum), ""]])}\n\n`
  )
}
