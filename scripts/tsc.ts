/**
 * The TypeScript compiler: `node scripts/tsc.ts` takes the arguments of `tsc`. It is the one that `@effect/tsgo` brings: TypeScript 7,
 * which also reports an Effect that is never run where a tsconfig.json has the plugin `@effect/language-service`.
 */
import { spawnSync } from "node:child_process"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"

const { platform, arch } = process
const platformPackage = createRequire(createRequire(import.meta.url).resolve("@effect/tsgo/package.json")).resolve(
  `@effect/tsgo-${platform}-${arch}/package.json`
)
const tsc = join(dirname(platformPackage), "lib", platform === "win32" ? "tsc.exe" : "tsc")
const { status, signal, error } = spawnSync(tsc, process.argv.slice(2), { stdio: "inherit" })
if (error !== undefined) throw error
if (signal !== null) process.kill(process.pid, signal)
process.exitCode = status ?? 1
