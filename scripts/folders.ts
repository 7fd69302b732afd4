/**
 * Holds the folders of `src` in order: `npm run check:folders`. A folder may import from itself and from those that stand below it in
 * `FLOORS`, never from one beside or above it. What is printed names the file, the import and the rule.
 */
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, normalize } from "node:path"

/** From the bottom up. A name with an extension is a file of `src` itself. */
const FLOORS: ReadonlyArray<ReadonlyArray<string>> = [
  ["internal", "page", "version.ts"],
  ["net"],
  ["protocol", "client"],
  ["config", "chat"],
  ["logging"],
  ["limits"],
  ["room"],
  ["session"],
  ["bus", "transport"],
  ["telemetry"],
  ["admin"],
  ["relay"],
  ["threads"],
  ["RelayServer.ts"],
  ["testing"],
  ["SummonerServer.ts", "commands"],
  ["cli.ts", "index.ts"]
]
const SRC = join(import.meta.dirname, "../src")
const floorOf = (folder: string) => FLOORS.findIndex((folders) => folders.includes(folder))
const folderOf = (path: string) => path.split("/", 1)[0]!

/** What is wrong with the imports of one file. */
export const problemsOf = (path: string, source: string): ReadonlyArray<string> => {
  const folder = folderOf(path)
  const floor = floorOf(folder)
  if (floor === -1) return [`src/${path}: the folder ${folder} has no floor; give it one in scripts/folders.ts`]
  return Array.from(source.matchAll(/\b(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)).flatMap(([, specifier]) => {
    const target = normalize(join(dirname(path), specifier!))
    const into = folderOf(target)
    if (into === folder) return []
    const below = floorOf(into)
    if (below < floor) return []
    const where = below === floor ? "beside" : "above"
    return [`src/${path} imports src/${target}: ${into} stands ${where} ${folder}, which may import from below only`]
  })
}

if (import.meta.main) {
  const files = readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".ts"))
  const problems = files.flatMap((path) => problemsOf(path, readFileSync(join(SRC, path), "utf8")))
  for (const problem of problems) console.error(problem)
  if (problems.length > 0) process.exitCode = 1
}
