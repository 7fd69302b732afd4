/**
 * Measures what a delivery costs in rooms of 10 to 1,000 clients of which 1 to 100 send, and draws `docs/scaling.svg`:
 * `npm run bench:plot`. Lines that stay level mean that the cost grows with the deliveries, and with nothing else.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import * as Servers from "./servers.ts"
import { table } from "./table.ts"

const SECONDS = Number(process.env["D"] ?? 3)
const FILE = join(import.meta.dirname, "../docs/scaling.svg")

const CLIENTS = [10, 100, 1000]
const SENDERS = [1, 10, 100]
/** Few enough that each line has a turn of the event loop, and a system call per recipient, to itself. */
const SPARSE_DELIVERIES_PER_SECOND = 30_000

interface Load {
  readonly title: string
  readonly args: (clients: number, senders: number) => string
}

const LOADS: ReadonlyArray<Load> = [
  {
    title: "one line at a time",
    args: (clients, senders) => {
      const rate = SPARSE_DELIVERIES_PER_SECOND / (clients - 1) / senders
      // Long enough for two lines of each sender.
      return `--rate ${rate} --duration ${Math.max(SECONDS, 2 / rate)}`
    }
  },
  { title: "bulk", args: (_, senders) => `--window ${Math.ceil(2048 / senders)} --duration ${SECONDS}` }
]

interface Point {
  readonly load: string
  readonly server: string
  readonly clients: number
  readonly senders: number
  readonly micros: number
  readonly deliveriesPerSecond: number
}

const measure = async (): Promise<ReadonlyArray<Point>> => {
  const points: Array<Point> = []
  for (const { args, title } of LOADS) {
    for (const contestant of Servers.contestants().filter(({ protocol }) => protocol === "line")) {
      for (const clients of CLIENTS) {
        for (const senders of SENDERS.filter((senders) => senders <= clients)) {
          const server = await Servers.start(contestant)
          await sleep(300)
          const room = `--receivers ${clients - senders} --senders ${senders} --size 128 --warmup 1`
          const measured = await Servers.load(server, contestant, `${room} ${args(clients, senders)}`)
          await server.stop()
          if (measured.faults > 0 || measured.timed_out > 0 || measured.deliveries_per_sec === 0)
            throw new Error(`faulty deliveries: ${title}, ${contestant.name}, ${clients} clients, ${senders} senders`)
          points.push({
            load: title,
            server: contestant.name,
            clients,
            senders,
            micros: measured.srv_cpu_us_per_delivery,
            deliveriesPerSecond: measured.deliveries_per_sec
          })
        }
      }
    }
  }
  return points
}

const WIDTH = 860
const HEIGHT = 420
const TOP = 84
const BOTTOM = 362
const PANEL = 330
const LEFTS = [72, 496]
/** Micros at the bottom and at the top. */
const [LOW, HIGH] = [0.01, 10]

const y = (micros: number) =>
  BOTTOM - ((Math.log10(micros) - Math.log10(LOW)) / (Math.log10(HIGH) - Math.log10(LOW))) * (BOTTOM - TOP)
const x = (left: number, clients: number) => left + 30 + ((Math.log10(clients) - 1) / 2) * (PANEL - 60)

const STYLE = `
  svg { font: 13px system-ui, sans-serif }
  .paper { fill: #fff } text { fill: #1f2328 } .quiet { fill: #59636e } .grid { stroke: #d1d9e0 }
  .s1 { color: #0969da } .s10 { color: #bc4c00 } .s100 { color: #8250df }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117 } text { fill: #f0f6fc } .quiet { fill: #9198a1 } .grid { stroke: #3d444d }
    .s1 { color: #4493f8 } .s10 { color: #f0883e } .s100 { color: #bc8cff }
  }
  path { fill: none; stroke: currentColor; stroke-width: 2 } circle { fill: currentColor } .limit { stroke-dasharray: 4 4; opacity: 0.7 }`

const draw = (points: ReadonlyArray<Point>): string => {
  const text = (x: number, y: number, content: string, attributes = "") =>
    `<text x="${x}" y="${y}" ${attributes}>${content}</text>`
  const legend = SENDERS.map((senders, i) => {
    const at = LEFTS[0]! + i * 128
    const label = `${senders} ${senders === 1 ? "sender" : "senders"}`
    return `<path class="s${senders}" d="M${at} 24h24"/>${text(at + 30, 28, label)}`
  })
  legend.push(`<path class="s1 limit" d="M496 24h24"/>${text(526, 28, "dashed: the C server that marks the limit")}`)
  const panels = LOADS.map(({ title }, i) => {
    const left = LEFTS[i]!
    const grid = [0.01, 0.1, 1, 10].map((micros) => {
      const label = text(left - 8, y(micros) + 4, String(micros), 'text-anchor="end" class="quiet"')
      return `<line class="grid" x1="${left}" x2="${left + PANEL}" y1="${y(micros)}" y2="${y(micros)}"/>${label}`
    })
    const ticks = CLIENTS.map((clients) =>
      text(x(left, clients), BOTTOM + 20, clients.toLocaleString("en"), 'text-anchor="middle" class="quiet"')
    )
    const lines = ["limit", "ours"].flatMap((server) =>
      SENDERS.map((senders) => {
        const own = points.filter((p) => p.load === title && p.server === server && p.senders === senders)
        const at = own.map((p) => [x(left, p.clients).toFixed(1), y(p.micros).toFixed(1)] as const)
        const dots = server === "ours" ? at.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3.5"/>`) : []
        const path = `<path ${server === "limit" ? 'class="limit" ' : ""}d="M${at.map((p) => p.join(" ")).join("L")}"/>`
        return `<g class="s${senders}">${path}${dots.join("")}</g>`
      })
    )
    const heading = text(left, TOP - 18, `${title}: CPU µs per delivery`, 'font-weight="600"')
    const axis = text(left + PANEL / 2, BOTTOM + 42, "clients in the room", 'text-anchor="middle" class="quiet"')
    return [heading, ...grid, ...ticks, axis, ...lines].join("\n")
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img">`,
    `<title>CPU time per delivery, by clients and senders</title>`,
    `<style>${STYLE}\n</style>`,
    `<rect class="paper" width="${WIDTH}" height="${HEIGHT}"/>`,
    ...legend,
    ...panels,
    "</svg>\n"
  ].join("\n")
}

const main = async () => {
  const points = await measure()
  writeFileSync(FILE, draw(points))
  const rows = points.map((p) => [
    p.load,
    p.server,
    String(p.clients),
    String(p.senders),
    Math.round(p.deliveriesPerSecond).toLocaleString("en"),
    p.micros.toFixed(3)
  ])
  process.stdout.write(
    `${table(["load", "server", "clients", "senders", "deliveries/s", "CPU µs/delivery"], rows)}\n\ndrawn: ${FILE}\n`
  )
}

await main()
