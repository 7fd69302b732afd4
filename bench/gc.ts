import { readFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import * as Servers from "./servers.ts"
import { table } from "./table.ts"
import { WORKLOADS } from "./workloads.ts"

const SECONDS = Number(process.env["D"] ?? 5)
const LOADS = new Set(["A", "A0", "E", "F", "1-1024", "C", "crowd"])

/**
 * A collection as `--trace-gc` reports it. The observer of `node:perf_hooks` is no use here: it counts the whole time that
 * marking takes beside the program as one pause.
 */
const COLLECTION =
  /ms: (?:Incremental )?(Scavenge|Mark-Compact)[^,]*,[^,]*, ([\d.]+) \/ [\d.]+ ms(?: +\(\+ ([\d.]+) ms)?/g

/** What the garbage collector costs at full load. */
export const printPauses = async () => {
  const rows: Array<ReadonlyArray<string>> = []
  for (const { key, load, title } of WORKLOADS) {
    if (!LOADS.has(key)) continue
    const contestant = Servers.ours(process.execPath, ["--trace-gc"])
    const server = await Servers.start(contestant)
    await sleep(300)
    const trace = () => readFileSync(join(Servers.scratch, `${contestant.name}.log`), "utf8")
    const before = trace().length
    const started = performance.now()
    const fault = Servers.faultOf(await Servers.load(server, contestant, load(contestant, SECONDS)))
    if (fault !== undefined) throw new Error(`${key}: ${fault}`)
    const seconds = (performance.now() - started) / 1000
    const collections = [...trace().slice(before).matchAll(COLLECTION)]
    await server.stop()
    for (const kind of ["Scavenge", "Mark-Compact"]) {
      const ofKind = collections.filter((collection) => collection[1] === kind)
      const pauses = ofKind.map(([, , pause, steps]) => Number(pause) + Number(steps ?? 0)).toSorted((a, b) => a - b)
      const total = pauses.reduce((sum, pause) => sum + pause, 0)
      rows.push([
        kind === "Scavenge" ? title : "",
        kind.toLowerCase(),
        (pauses.length / seconds).toFixed(1),
        (pauses[pauses.length >> 1] ?? 0).toFixed(1),
        (pauses.at(-1) ?? 0).toFixed(1),
        ((total / seconds / 1000) * 100).toFixed(2)
      ])
    }
  }
  const head = ["load", "collection", "a second", "median ms", "longest ms", "% of the time"]
  process.stdout.write(`${table(head, rows)}\n\n`)
}
