import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, openSync, rmSync } from "node:fs"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { Request, Sample } from "./probe.ts"

const HERE = import.meta.dirname
const ROOT = join(HERE, "..")

/** Where the C programs and the output of the servers go, unless `BUILD` names a directory; gone when the process ends. */
export const scratch = process.env["BUILD"] ?? mkdtempSync(join(tmpdir(), "summoner-bench-"))

export interface Contestant {
  readonly name: string
  /** How the load generator speaks to it. */
  readonly protocol: "line" | "nats" | "redis"
  readonly command: (port: number) => ReadonlyArray<string>
  readonly cpus: string
}

export const isInstalled = (program: string) => spawnSync("sh", ["-c", `command -v ${program}`]).status === 0

/** The processors this process may use. */
const processors = (() => {
  if (!isInstalled("taskset")) return []
  const list = execFileSync("taskset", ["-pc", String(process.pid)], { encoding: "utf8" })
    .split(":")
    .at(-1)!
  return list.split(",").flatMap((range) => {
    const [from, to] = range.split("-").map(Number)
    return Array.from({ length: (to ?? from!) - from! + 1 }, (_, i) => from! + i)
  })
})()

const canPin = processors.length >= 2
/** With fewer than two processors nothing is pinned: they share what there is. */
export const SERVER_CPUS = process.env["SERVER_CPUS"] ?? (canPin ? String(processors[0]) : "")
export const GENERATOR_CPUS = process.env["GENERATOR_CPUS"] ?? (canPin ? String(processors[1]) : "")

const pinned = (cpus: string, command: ReadonlyArray<string>) =>
  cpus === "" ? command : ["taskset", "-c", cpus, ...command]

/** Runs with as many open files as the system lets this user have. */
const withOpenFiles = (command: ReadonlyArray<string>) => [
  "sh",
  "-c",
  'ulimit -n "$(ulimit -Hn)" && exec "$@"',
  "sh",
  ...command
]

const hardLimit = execFileSync("sh", ["-c", "ulimit -Hn"], { encoding: "utf8" }).trim()
/** How many connections one process here can hold, short of what it needs for itself. */
export const maxConnections = (hardLimit === "unlimited" ? Infinity : Number(hardLimit)) - 128

const compile = (name: string, ...flags: ReadonlyArray<string>) => {
  const program = join(scratch, name)
  if (!existsSync(program)) execFileSync("cc", ["-O2", ...flags, "-o", program, join(HERE, `${name}.c`)])
  return program
}

export const fanbench = compile("fanbench", "-pthread")

export const serverArguments = (port: number): ReadonlyArray<string> => [
  join(ROOT, "dist/cli.js"),
  "--config",
  join(HERE, "server.json"),
  "--port",
  String(port)
]

/** The server of this project on the given Node.js. */
export const ours = (
  node = process.env["SERVER_NODE"] ?? process.execPath,
  flags: ReadonlyArray<string> = []
): Contestant => ({
  name: "ours",
  protocol: "line",
  command: (port) => [node, ...flags, ...serverArguments(port)],
  cpus: SERVER_CPUS
})

/** Ours with each message logged as JSON to a file, and without. */
export const logging = (): ReadonlyArray<Contestant> => {
  const logged = ours()
  const settings = ["ENABLE_FILE_LOG=true", "ENABLE_JSON_LOG=true", `LOG_FILE_PATH=${join(scratch, "messages")}`]
  const environment = settings.map((setting) => `SUMMONER_LOGGER_${setting}`)
  return [
    { ...logged, command: (port) => ["env", ...environment, ...logged.command(port)] },
    { ...logged, name: "unlogged" }
  ]
}

/** Ours, the limit, and what else is installed. */
export const contestants = (): ReadonlyArray<Contestant> => {
  const limit = compile("limit", "-march=native")
  const all: Array<Contestant> = [
    ours(),
    { name: "limit", protocol: "line", command: (port) => [limit, "--port", String(port)], cpus: SERVER_CPUS }
  ]
  if (isInstalled("nats-server")) {
    // Several threads: one processor would measure the switching between them.
    const cpus = canPin ? `${SERVER_CPUS},${GENERATOR_CPUS}` : ""
    all.push({
      name: "nats",
      protocol: "nats",
      command: (port) => ["nats-server", "-a", "127.0.0.1", "-p", `${port}`],
      cpus
    })
  }
  if (isInstalled("redis-server")) {
    const settings = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--maxclients", "20000"]
    all.push({
      name: "redis",
      protocol: "redis",
      command: (port) => ["redis-server", "--port", `${port}`, ...settings],
      cpus: SERVER_CPUS
    })
  }
  return all
}

const running = new Set<ChildProcess>()
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL")
  if (process.env["BUILD"] === undefined) rmSync(scratch, { recursive: true, force: true })
})
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(130))

export const freePort = () =>
  new Promise<number>((resolve, reject) => {
    const server = Net.createServer()
    server.once("error", reject).listen(0, "127.0.0.1", () => {
      const { port } = server.address() as Net.AddressInfo
      server.close(() => resolve(port))
    })
  })

export const accepts = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = Net.connect(port, "127.0.0.1")
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false))
    socket.once("connect", () => socket.destroy())
  })

export interface RunningServer {
  readonly child: ChildProcess
  readonly port: number
  /** From the start of the process to the first accepted connection. */
  readonly startMillis: number
  readonly stop: () => Promise<void>
}

/** Starts a server and waits until it listens. Its output is in the scratch directory, under its name. */
export const start = async (
  { command, cpus, name }: Contestant,
  settings: { readonly ipc?: boolean; readonly timeoutMillis?: number } = {}
): Promise<RunningServer> => {
  const port = await freePort()
  const [program, ...args] = pinned(cpus, withOpenFiles(command(port)))
  const log = openSync(join(scratch, `${name}.log`), "w")
  const started = performance.now()
  const child = spawn(program!, args, {
    stdio: settings.ipc ? ["ignore", log, log, "ipc"] : ["ignore", log, log]
  })
  running.add(child)
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  while (!(await accepts(port))) {
    if (child.exitCode !== null || performance.now() - started > (settings.timeoutMillis ?? 15_000))
      throw new Error(`${name} does not listen: ${[program, ...args].join(" ")}`)
    await sleep(1)
  }
  const startMillis = performance.now() - started
  const stop = async () => {
    child.kill("SIGTERM")
    const timeout = setTimeout(() => child.kill("SIGKILL"), settings.timeoutMillis ?? 10_000)
    await exited
    clearTimeout(timeout)
    running.delete(child)
  }
  return { child, port, startMillis, stop }
}

/** What fanbench tells of one run. */
export interface Measurement {
  readonly expected: number
  readonly received: number
  readonly lost: number
  readonly duplicated: number
  readonly out_of_order: number
  readonly gaps: number
  readonly corrupt: number
  readonly echo: number
  readonly foreign: number
  readonly nondelivery_lines: number
  readonly closed_by_server: number
  readonly timed_out: number
  readonly faults: number
  readonly deliveries_per_sec: number
  readonly lat_us: { readonly p50: number; readonly p99: number; readonly max: number }
  readonly elapsed_s: number
  readonly srv_cpu_user_s: number
  readonly srv_cpu_sys_s: number
  readonly srv_cpu_us_per_delivery: number
  readonly connect_s: number
  readonly connect_max_s: number
  readonly accepted_s: number
  readonly rss_before_kb: number
  readonly rss_idle_kb: number
  readonly rss_start_kb: number
  readonly rss_max_kb: number
  readonly gen_cpu_s: number
  readonly other_cores: number
}

/**
 * Runs the load generator against a server.
 *
 * @param cpus the processors that it may use
 */
export const load = (
  server: RunningServer,
  { protocol }: Contestant,
  args: string,
  cpus = GENERATOR_CPUS
): Promise<Measurement> =>
  new Promise((resolve, reject) => {
    const common = `--port ${server.port} --proto ${protocol} --pid ${server.child.pid} --timeout 8`
    const [program, ...rest] = pinned(cpus, [fanbench, ...`${common} ${args}`.split(" ")])
    const child = spawn(program!, rest, { stdio: ["ignore", "pipe", "inherit"] })
    running.add(child)
    let output = ""
    child.stdout!.setEncoding("utf8").on("data", (text: string) => (output += text))
    child.once("close", (code) => {
      running.delete(child)
      if (output === "") reject(new Error(`fanbench ended with ${code}: ${[fanbench, ...rest].join(" ")}`))
      else resolve(JSON.parse(output) as Measurement)
    })
  })

export const versionOf = (node: string) =>
  execFileSync(node, ["--version"], { encoding: "utf8" }).trim().replace(/^v/, "")

const PROBE = join(HERE, "probe.ts")

/** The server of this project with `probe.ts` inside. */
export const startProbed = async (flags: ReadonlyArray<string> = []) => {
  const server = await start(ours(process.execPath, ["--import", PROBE, ...flags]), { ipc: true })
  const ask = (request: Request) =>
    new Promise<Sample>((resolve) => {
      server.child.once("message", (sample) => resolve(sample as Sample))
      server.child.send(request)
    })
  return { ...server, ask }
}

const FAULTS = ["lost", "duplicated", "out_of_order", "corrupt", "echo", "foreign", "nondelivery_lines"] as const

/** What was wrong with the deliveries; `undefined` if nothing was. */
export const faultOf = (measured: Measurement): string | undefined => {
  const found = [...FAULTS, "closed_by_server" as const].flatMap((fault) =>
    measured[fault] > 0 ? `${measured[fault]} ${fault}` : []
  )
  if (measured.timed_out > 0) found.push("no end in time")
  if (found.length === 0 && measured.faults > 0) found.push(`${measured.gaps} gaps`)
  return found.length === 0 ? undefined : found.join(", ")
}
