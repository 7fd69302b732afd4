/**
 * Counts what a delivery costs the server, on fixed input, and compares with `baseline.json`: `npm run bench:check`. Nothing
 * here is timed, so a busy machine changes nothing. `npm run bench:check -- --update` records what it finds.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { Lockstep } from "./lockstep.ts"
import * as Servers from "./servers.ts"
import { table } from "./table.ts"

const BASELINE = join(import.meta.dirname, "baseline.json")

const RECEIVERS = 20
const LINE_BYTES = 128
const BULK_LINES = 100

/** A room of two: nearly all that a line costs is its own, not that of its deliveries. */
const LONG_LINE_BYTES = 1024
const LONG_LINES = 50

/** By how much each figure may grow: several times what it varies by from run to run. */
const MARGINS = {
  "instructions per delivery, one line at a time": 0.04,
  "instructions per line, 100 at once": 0.02,
  "bytes allocated per delivery, one line at a time": 0.02,
  "bytes allocated per line, 100 at once": 0.05,
  "bytes allocated per line of 1 KiB, 50 at once to one recipient": 0.05,
  "writes per delivery, one line at a time": 0.02,
  "writes per recipient, 100 lines at once": 0.3,
  "reads per line, one line at a time": 0.05
}

type Figures = { readonly [what in keyof typeof MARGINS]?: number }

interface Baseline {
  readonly node: string
  readonly platform: string
  readonly figures: Figures
}

/** A young generation so large that no collection falls into what is counted. */
const NO_COLLECTIONS = "--min-semi-space-size=64"

/** Code that is never optimised does the same in every run. When V8 optimises, and what it saves by it, varies. */
const UNOPTIMISED = ["--no-opt", "--no-maglev", "--no-sparkplug", NO_COLLECTIONS, "--max-semi-space-size=64"]

/** The system calls of a process that read or wrote. */
const systemCalls = (pid: number) => {
  const io = readFileSync(`/proc/${pid}/io`, "utf8")
  const of = (key: string) => Number(new RegExp(`^${key}: (\\d+)`, "m").exec(io)![1])
  return { reads: of("syscr"), writes: of("syscw") }
}

/** Allocations and system calls per line, in a room of its own for each number of receivers. */
const countPerLine = async (receivers: number, ...loads: ReadonlyArray<{ lines: number; bytes: number }>) => {
  const server = await Servers.startProbed(UNOPTIMISED)
  const room = await Lockstep.connect(server.port, receivers)
  const totals = async () => ({ ...(await server.ask({ ask: "sample" })), ...systemCalls(server.child.pid!) })
  const counted: Array<{ allocated: number; writes: number; reads: number }> = []
  for (const { bytes, lines } of loads) {
    const rounds = 2000
    await room.run(500, lines, bytes)
    const before = await totals()
    await room.run(rounds, lines, bytes)
    const after = await totals()
    const perLine = (of: (sample: typeof before) => number) => (of(after) - of(before)) / (rounds * lines)
    counted.push({
      allocated: perLine((sample) => sample.allocatedBytes),
      writes: perLine((sample) => sample.writes),
      reads: perLine((sample) => sample.reads)
    })
  }
  room.close()
  await server.stop()
  return counted
}

const countAllocationsAndCalls = async (): Promise<Figures> => {
  const [single, bulk] = await countPerLine(
    RECEIVERS,
    { lines: 1, bytes: LINE_BYTES },
    { lines: BULK_LINES, bytes: LINE_BYTES }
  )
  const [long] = await countPerLine(1, { lines: LONG_LINES, bytes: LONG_LINE_BYTES })
  return {
    "bytes allocated per delivery, one line at a time": single!.allocated / RECEIVERS,
    "bytes allocated per line, 100 at once": bulk!.allocated,
    "bytes allocated per line of 1 KiB, 50 at once to one recipient": long!.allocated,
    "writes per delivery, one line at a time": single!.writes / RECEIVERS,
    "writes per recipient, 100 lines at once": (bulk!.writes / RECEIVERS) * BULK_LINES,
    "reads per line, one line at a time": single!.reads
  }
}

/** The start alone takes 25 s of a processor in valgrind: on a busy machine, many times as long. */
const LONGEST_START_MILLIS = 1_200_000

/**
 * Instructions in user mode that the server takes from its start to its end, on a processor that valgrind simulates. It
 * cannot follow V8's compilers, so the interpreter runs: a measure of the work, not of the speed.
 */
const instructionsOf = async (single: number, bulk: number) => {
  const name = `callgrind-${single}-${bulk}`
  const callgrind = ["--tool=callgrind", "--callgrind-out-file=/dev/null", process.execPath]
  const deterministic = ["--jitless", "--single-threaded", "--hash-seed=1", "--random-seed=1", NO_COLLECTIONS]
  const contestant = { ...Servers.ours("valgrind", [...callgrind, ...deterministic]), name, cpus: "" }
  const server = await Servers.start(contestant, { timeoutMillis: LONGEST_START_MILLIS })
  const room = await Lockstep.connect(server.port, RECEIVERS)
  await room.run(single, 1, LINE_BYTES)
  await room.run(bulk, BULK_LINES, LINE_BYTES)
  room.close()
  await server.stop()
  const counted = /Collected : (\d+)/.exec(readFileSync(join(Servers.scratch, `${name}.log`), "utf8"))
  if (counted === null) throw new Error("valgrind has not said how many instructions it counted")
  return Number(counted[1])
}

const countInstructions = async (): Promise<Figures> => {
  if (!Servers.isInstalled("valgrind")) return {}
  // What starting, ending, and doing everything for the first time takes is in all three, and so in no difference.
  const [few, single] = await Promise.all([instructionsOf(50, 5), instructionsOf(350, 5)])
  const bulk = await instructionsOf(50, 45)
  return {
    "instructions per delivery, one line at a time": (single - few) / 300 / RECEIVERS,
    "instructions per line, 100 at once": (bulk - few) / 40 / BULK_LINES
  }
}

const rounded = (value: number) => (value >= 1000 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 3))

/** A line that never arrives must not keep the guard waiting. */
const LONGEST_MILLIS = 3_600_000

const main = async () => {
  setTimeout(() => {
    process.stderr.write("the lines of the fixed input have not all arrived\n")
    process.exit(1)
  }, LONGEST_MILLIS).unref()
  const { values } = parseArgs({ options: { update: { type: "boolean", default: false } } })
  const counted: Figures = { ...(await countInstructions()), ...(await countAllocationsAndCalls()) }
  const here = { node: process.version, platform: `${process.platform}-${process.arch}` }
  const names = Object.keys(MARGINS) as Array<keyof typeof MARGINS>

  if (values.update) {
    const figures = names.flatMap((what) =>
      counted[what] === undefined ? [] : [[what, Number(rounded(counted[what]))]]
    )
    writeFileSync(BASELINE, `${JSON.stringify({ ...here, figures: Object.fromEntries(figures) }, null, 2)}\n`)
  }
  const baseline = JSON.parse(readFileSync(BASELINE, "utf8")) as Baseline
  if (here.node !== baseline.node || here.platform !== baseline.platform) {
    process.stderr.write(
      `The figures were recorded with Node.js ${baseline.node} on ${baseline.platform}; this is ${here.node} on ${here.platform}.\n`
    )
  }

  const regressions: Array<string> = []
  const rows = names.map((what) => {
    const [was, is] = [baseline.figures[what], counted[what]]
    const bound = `+ ${(MARGINS[what] * 100).toFixed(0)} %`
    if (was === undefined || is === undefined) {
      return [
        what,
        was === undefined ? "" : rounded(was),
        is === undefined ? "" : rounded(is),
        bound,
        is === undefined ? "not counted: no valgrind" : "new"
      ]
    }
    const change = `${((is / was - 1) * 100).toFixed(1)} %`
    if (is > was * (1 + MARGINS[what])) {
      regressions.push(`${what}: from ${rounded(was)} to ${rounded(is)}, ${change} more, where ${bound} is allowed`)
      return [what, rounded(was), rounded(is), bound, "**worse**"]
    }
    const isBetter = is < was * (1 - MARGINS[what])
    return [what, rounded(was), rounded(is), bound, isBetter ? "better: record it with --update" : "ok"]
  })
  process.stdout.write(`${table(["figure", "recorded", "counted", "margin", ""], rows)}\n`)
  if (regressions.length > 0) {
    process.stderr.write(`\nMORE WORK PER DELIVERY\n${regressions.map((text) => `  ${text}\n`).join("")}`)
    process.exitCode = 1
  }
}

await main()
