/**
 * Compiles `assembly/envelope.ts` into `src/protocol/envelopeWasm.ts`, a module that bundlers, threads and programs load like any other:
 * `node scripts/wasm.ts`, part of `npm run build`. The result is committed, so that a checkout works without a build. It is left alone
 * while source and compiler are what it was made of. `--check` compiles all the same, and fails where the file differs.
 */
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const OPTIONS = ["-O3", "--enable", "simd", "--runtime", "stub", "--noAssert", "--importMemory", "--initialMemory", "0"]

const root = fileURLToPath(new URL("../", import.meta.url))
const source = join(root, "assembly/envelope.ts")
const { resolve } = createRequire(import.meta.url)
const compiler = resolve("assemblyscript/bin/asc.js")

/** Changes with whatever changes the result. */
const fingerprint = createHash("sha256")
  .update(readFileSync(source))
  .update(readFileSync(resolve("assemblyscript/package.json")))
  .update(OPTIONS.join())
  .digest("base64")

const compile = () => {
  const scratch = mkdtempSync(join(tmpdir(), "summoner-wasm-"))
  try {
    const compiled = join(scratch, "envelope.wasm")
    execFileSync(process.execPath, [compiler, source, ...OPTIONS, "--outFile", compiled], { stdio: "inherit" })
    return readFileSync(compiled, "base64")
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

const target = join(root, "src/protocol/envelopeWasm.ts")
const present = readFileSync(target, "utf8")
const isCheck = process.argv.includes("--check")
if (isCheck || !present.includes(fingerprint)) {
  const text = `/**
 * WebAssembly in base64: \`assembly/envelope.ts\`, compiled by \`scripts/wasm.ts\`.
 *
 * Made of ${fingerprint}.
 */
export const WASM =
  "${compile()}"
`
  if (!isCheck) writeFileSync(target, text)
  else if (text !== present) {
    console.error(
      "src/protocol/envelopeWasm.ts is not what assembly/envelope.ts compiles to: empty it, then npm run build"
    )
    process.exitCode = 1
  }
}
