/** What all tests of the package share: a user's project that has installed it, and what the compiler says of every program in it. */
import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { clients, examples, snippets } from "./Documented.ts"
import type { Made } from "./OnDemand.setup.ts"
import { entries, manifest, ROOT, TSC } from "./Package.ts"

/** What `npm pack --json` says. */
interface Packed {
  readonly filename: string
  readonly size: number
  readonly unpackedSize: number
  readonly files: ReadonlyArray<{ readonly path: string; readonly size: number }>
}

/** How a project may look for modules. */
const RESOLUTIONS = {
  NodeNext: { module: "NodeNext", skipDefaultLibCheck: true },
  // Declarations are checked once.
  bundler: { module: "ESNext", moduleResolution: "bundler", skipLibCheck: true }
} as const

export type Resolution = keyof typeof RESOLUTIONS

export interface Installed {
  /** The project. */
  readonly directory: string
  readonly packed: Packed
  /** What the compiler says, by the file it says it of; "" for what is wrong with no file. */
  readonly diagnostics: Readonly<Record<Resolution, Readonly<Record<string, string>>>>
}

/** What a user's project has beside the package: its peers, and what examples are checked and tested with. */
const INSTALLED = ["effect", "@effect/platform-node", "@effect/vitest", "@types/node", "vitest"]

/** A program that uses the package, and one that uses it wrongly. */
const SERVER = `
  import * as Console from "effect/Console"
  import * as Effect from "effect/Effect"
  import * as Layer from "effect/Layer"
  import { RelayLogger } from "${manifest.name}/RelayLogger"
  import { RelayServer } from "${manifest.name}/RelayServer"
  import { ServerConfig } from "${manifest.name}/ServerConfig"

  const Relay = RelayServer.layerServerConfig().pipe(
    Layer.provide(RelayLogger.layerSilent),
    Layer.provide(ServerConfig.layerValue({ port: 0 }))
  )

  await Effect.runPromise(
    Effect.gen(function* () {
      const { address } = yield* RelayServer
      yield* Console.log(\`\${address.host}:\${address.port}\`)
    }).pipe(Effect.provide(Relay))
  )`

/** A program with a server of two threads, and eight clients, most likely of both: says how the threads are connected once all have heard each other. */
const THREADS = `
  import * as Console from "effect/Console"
  import * as Effect from "effect/Effect"
  import * as Net from "node:net"
  import { RelayLogger } from "${manifest.name}/RelayLogger"
  import { RelayServer } from "${manifest.name}/RelayServer"

  const program = Effect.gen(function* () {
    const relay = yield* RelayServer
    const sockets = Array.from({ length: 8 }, () => Net.connect(relay.address.port, "127.0.0.1"))
    yield* Effect.repeat(Effect.delay(relay.clients, 10), { until: (clients) => clients.length === sockets.length })
    let heard = 0
    for (const socket of sockets) {
      socket.on("data", (bytes) => (heard += bytes.toString().split("\\n").length - 1))
      socket.write("hello\\n")
    }
    const all = sockets.length * (sockets.length - 1)
    yield* Effect.repeat(Effect.delay(Effect.sync(() => heard), 10), { until: (heard) => heard === all })
    yield* Console.log((yield* relay.cluster.stats).state)
    for (const socket of sockets) socket.destroy()
  })
  const hyper_parameters = { worker_threads: 2, backpressure_policy: { enable_throttle: false } }
  await Effect.runPromise(
    program.pipe(Effect.provide(RelayServer.layer({ port: 0, hyper_parameters })), Effect.provide(RelayLogger.layerSilent))
  )`

const PROGRAMS: Readonly<Record<string, string>> = {
  "imports.ts": entries.map(({ specifier }, i) => `export * as m${i} from "${specifier}"\n`).join(""),
  "server.ts": SERVER,
  "threads.ts": THREADS,
  "wrong.ts": SERVER.replace("address.port", "address.prot"),
  ...Object.fromEntries([...snippets, ...clients, ...examples].map(({ code, file }) => [file, code]))
}

const run = (cwd: string, command: string, args: ReadonlyArray<string>) =>
  new Promise<{ readonly isSuccess: boolean; readonly stdout: string; readonly stderr: string }>((resolve) => {
    execFile(command, args, { cwd, maxBuffer: 1 << 26 }, (error, stdout, stderr) =>
      resolve({ isSuccess: error === null, stdout, stderr })
    )
  })

const npm = async (cwd: string, args: ReadonlyArray<string>) => {
  const options = ["--ignore-scripts", "--offline", "--no-audit", "--no-fund", "--no-update-notifier"]
  const { isSuccess, stderr, stdout } = await run(cwd, "npm", [...args, ...options])
  if (!isSuccess) throw new Error(`npm ${args[0]}: ${stderr}`)
  return stdout
}

/** Checks the types of all programs. */
const check = async (directory: string, resolution: Resolution) => {
  const config = `tsconfig.${resolution}.json`
  const compilerOptions = {
    ...RESOLUTIONS[resolution],
    target: "ES2022",
    types: ["node"],
    strict: true,
    noEmit: true,
    allowImportingTsExtensions: true
  }
  writeFileSync(join(directory, config), JSON.stringify({ compilerOptions, files: Object.keys(PROGRAMS) }))
  const { stderr, stdout } = await run(directory, process.execPath, [
    TSC,
    "-p",
    config,
    "--pretty",
    "false",
    "--singleThreaded"
  ])
  const found: Record<string, string> = stderr === "" ? {} : { "": stderr }
  let file = ""
  for (const line of stdout.split("\n").filter((line) => line !== "")) {
    // What follows a diagnostic and explains it is indented.
    if (!line.startsWith(" ")) file = /^(.+?)\(\d+,\d+\): /.exec(line)?.[1] ?? ""
    found[file] = `${found[file] ?? ""}${line}\n`
  }
  return found
}

/**
 * Nothing comes from a registry, nor from npm's cache, which on a new machine does not say which versions there are: what the package
 * depends on is packed as the package is. Whatever else the project needs are links into this checkout, which npm cannot make (its
 * `file:` fails on packages that are themselves installed), so it is told to leave the peers alone.
 */
export const make = async (): Promise<Made<Installed>> => {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "summoner-project-")))
  const remove = () => rmSync(directory, { recursive: true, force: true })
  try {
    writeFileSync(join(directory, "package.json"), JSON.stringify({ name: "project", private: true, type: "module" }))
    for (const [file, code] of Object.entries(PROGRAMS)) writeFileSync(join(directory, file), code)
    const packages = [".", ...Object.keys(manifest.dependencies).map((name) => `./node_modules/${name}`)]
    const tarballs = JSON.parse(await npm(ROOT, ["pack", "--json", "--pack-destination", directory, ...packages]))
    const [packed] = tarballs as [Packed]
    await npm(directory, ["install", "--legacy-peer-deps", ...tarballs.map(({ filename }: Packed) => `./${filename}`)])
    for (const name of INSTALLED) {
      const link = join(directory, "node_modules", name)
      mkdirSync(dirname(link), { recursive: true })
      symlinkSync(join(ROOT, "node_modules", name), link)
    }
    const [NodeNext, bundler] = await Promise.all([check(directory, "NodeNext"), check(directory, "bundler")])
    return { value: { directory, packed, diagnostics: { NodeNext, bundler } }, remove }
  } catch (cause) {
    remove()
    throw cause
  }
}
