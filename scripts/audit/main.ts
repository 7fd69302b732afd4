/**
 * `npm run check:deps`: what the lockfile may install, whether that runs on our Node.js, and what is known of it. Works offline, then
 * without the latter.
 */
import { execFile } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { advisoriesOf } from "./advisories.ts"
import { isInRange } from "./engines.ts"
import { type Lock, problemsOf, shipped } from "./lock.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
const read = (file: string) => JSON.parse(readFileSync(root + file, "utf8"))
const lock: Lock = read("package-lock.json")
const manifest = read("package.json")

const problems = problemsOf(manifest, lock)
console.log(`lockfile: ${Object.keys(lock.packages).length - 1} packages, ${problems.length} problems`)
for (const problem of problems) console.error(`  ${problem}`)

const node: string = manifest.devDependencies.node
const misfits = Object.keys(lock.packages).flatMap((path) => {
  if (path === "" || !existsSync(`${root}${path}/package.json`)) return []
  const range = read(`${path}/package.json`).engines?.node ?? "*"
  return isInRange(node, range) ? [] : [`${path}: needs Node.js ${range}`]
})
console.log(`Node.js ${node}: ${misfits.length} packages need another`)
for (const misfit of misfits) console.error(`  ${misfit}`)

const output = await new Promise<string>((resolve) => {
  const args = ["audit", "--json", "--package-lock-only", "--fetch-retries=0"]
  execFile("npm", args, { cwd: root, timeout: 30_000, maxBuffer: 1 << 26 }, (_, stdout) => resolve(stdout))
})
const advisories = advisoriesOf(output, shipped(lock))
if (advisories === undefined) console.log("advisories: the registry does not tell, not checked")
else console.log(`advisories: ${advisories.length}`)
for (const { isFatal, text } of advisories ?? []) console.log(`  ${isFatal ? "" : "(a tool's, not severe) "}${text}`)

if (problems.length > 0 || misfits.length > 0 || advisories?.some(({ isFatal }) => isFatal) === true)
  process.exitCode = 1
