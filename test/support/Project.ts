/** The user's project that `InstalledPackage` has installed the package into. */
import * as Effect from "effect/Effect"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { type Ended, run } from "./Tools.ts"
import type { Installed, Resolution } from "./InstalledPackage.ts"
import * as OnDemand from "./OnDemand.ts"

export const { diagnostics, directory, packed }: Installed = await OnDemand.ask("package")

/** Where a file of the package is. */
export const inPackage = (path: string): string => join(directory, "node_modules/summoner-server", path)

/** Runs a file of the project, TypeScript included. */
export const node = (...args: ReadonlyArray<string>): Effect.Effect<Ended> =>
  run(process.execPath, args, { cwd: directory })

/** Runs the tests in these files of the project: by file, what became of each test, and what is wrong beside them. */
export const vitest = (...files: ReadonlyArray<string>) =>
  Effect.map(
    node("node_modules/vitest/vitest.mjs", "run", "--reporter=json", "--outputFile=report.json", ...files),
    ({ code, stderr, stdout }) => {
      const path = join(directory, "report.json")
      if (!existsSync(path)) throw new Error(`vitest reports nothing:\n${stdout}${stderr}`)
      const { testResults } = JSON.parse(readFileSync(path, "utf8")) as {
        readonly testResults: ReadonlyArray<{
          readonly name: string
          readonly message: string
          readonly assertionResults: ReadonlyArray<{
            readonly title: string
            readonly status: string
            readonly failureMessages: ReadonlyArray<string>
          }>
        }>
      }
      const ended = testResults.map(({ assertionResults, message, name }) => ({
        file: name.slice(directory.length + 1),
        problem: message,
        tests: assertionResults.map(({ failureMessages, status, title }) =>
          [`${title}: ${status}`, ...failureMessages].join("\n")
        )
      }))
      return { code, ended }
    }
  )

/** What the compiler says of a file. */
export const diagnosticsOf = (resolution: Resolution, file: string): string => diagnostics[resolution][file] ?? ""

/** What it says of others than these, by file: of the package, of its libraries, or of no file (""). */
export const diagnosticsBeside = (resolution: Resolution, files: ReadonlyArray<string>): Record<string, string> =>
  Object.fromEntries(Object.entries(diagnostics[resolution]).filter(([file]) => !files.includes(file)))
