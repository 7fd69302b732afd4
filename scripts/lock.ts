/**
 * `npm run lock [-- what npm install takes]`: changes package-lock.json as `npm install` does, and leaves out of it what dependencies
 * say of the Node.js they need. npm compares that with the Node.js it runs on itself; here everything runs on the one in node_modules,
 * and `npm run check:deps` compares it with that one.
 */
import { execFileSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../", import.meta.url))
execFileSync("npm", ["install", "--save-exact", ...process.argv.slice(2)], { cwd: root, stdio: "inherit" })
const lock = JSON.parse(readFileSync(`${root}package-lock.json`, "utf8"))
for (const [path, entry] of Object.entries<{ engines?: object }>(lock.packages)) if (path !== "") delete entry.engines
writeFileSync(`${root}package-lock.json`, `${JSON.stringify(lock, null, 2)}\n`)
