import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { execFile } from "node:child_process"
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Directory from "./Directory.ts"

/** The checkout. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url))

export const manifest: {
  readonly name: string
  readonly version: string
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>
} = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"))

/** The modules a program can import, by name, with where they are in the package. */
export const entries = Object.entries(manifest.exports).flatMap(([subpath, target]) =>
  typeof target === "string" ? [] : [{ specifier: manifest.name + subpath.slice(1), ...target }]
)

/** What `npm pack --json` says. */
export interface Packed {
  readonly filename: string
  readonly size: number
  readonly unpackedSize: number
  readonly files: ReadonlyArray<{ readonly path: string; readonly size: number }>
}

/** How a process ended. */
export interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

const run = (cwd: string, command: string, args: ReadonlyArray<string>) =>
  Effect.callback<Ended>((resume) => {
    const child = execFile(command, args, { cwd, timeout: 60_000, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1
      resume(Effect.succeed({ code, stdout, stderr }))
    })
    return Effect.sync(() => void child.kill("SIGKILL"))
  })

const npm = (cwd: string, args: ReadonlyArray<string>) =>
  run(cwd, "npm", [...args, "--ignore-scripts", "--offline", "--no-audit", "--no-fund", "--no-update-notifier"]).pipe(
    Effect.flatMap((ended) =>
      ended.code === 0 ? Effect.succeed(ended.stdout) : Effect.die(new Error(`npm ${args[0]}: ${ended.stderr}`))
    )
  )

/** What a user's project has beside the package: its peers, and what examples are checked and tested with. */
const INSTALLED = ["effect", "@effect/platform-node", "@effect/vitest", "@types/node", "vitest"]

/** How a project may look for modules. */
export const RESOLUTIONS = {
  NodeNext: { module: "NodeNext" },
  bundler: { module: "ESNext", moduleResolution: "bundler" }
} as const

/**
 * The built package, packed and installed into an empty project by npm, as a user would have it. Nothing comes from a
 * registry: whatever else the project needs are links into this checkout, which npm cannot make (its `file:` fails on
 * packages that are themselves installed), so it is told to leave the peers alone.
 */
export class Package extends Context.Service<
  Package,
  {
    /** The project. */
    readonly directory: string
    readonly packed: Packed
    /** Writes a file of the project. */
    readonly write: (path: string, content: string) => Effect.Effect<void>
    /** Runs a file of the project, TypeScript included. */
    readonly node: (...args: ReadonlyArray<string>) => Effect.Effect<Ended>
    /** Checks the types of files of the project, those of its libraries included. */
    readonly check: (resolution: keyof typeof RESOLUTIONS, ...files: ReadonlyArray<string>) => Effect.Effect<Ended>
  }
>()("test/Package") {
  static readonly layer = Layer.effect(
    Package,
    Effect.gen(function* () {
      const directory = yield* Directory.make({
        "package.json": { name: "project", private: true, type: "module" }
      })
      const [packed] = JSON.parse(yield* npm(ROOT, ["pack", "--json", "--pack-destination", directory])) as [Packed]
      yield* npm(directory, ["install", "--legacy-peer-deps", `./${packed.filename}`])
      for (const name of INSTALLED) {
        const link = join(directory, "node_modules", name)
        mkdirSync(dirname(link), { recursive: true })
        symlinkSync(join(ROOT, "node_modules", name), link)
      }
      const write = (path: string, content: string) =>
        Effect.sync(() => {
          mkdirSync(dirname(join(directory, path)), { recursive: true })
          writeFileSync(join(directory, path), content)
        })
      return Package.of({
        directory,
        packed,
        write,
        node: (...args) => run(directory, process.execPath, args),
        check: (resolution, ...files) =>
          write(
            `tsconfig.${resolution}.json`,
            JSON.stringify({
              compilerOptions: {
                ...RESOLUTIONS[resolution],
                target: "ES2022",
                types: ["node"],
                strict: true,
                noEmit: true,
                allowImportingTsExtensions: true
              },
              files
            })
          ).pipe(
            Effect.andThen(
              run(directory, process.execPath, [join(ROOT, "scripts/tsc.ts"), "-p", `tsconfig.${resolution}.json`])
            )
          )
      })
    })
  )
}
