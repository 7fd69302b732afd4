/**
 * `npm run fuzz [-- target…] [--seconds n] [--seed n] [--save]`, and `npm run fuzz -- <target> --input file` to replay.
 *
 * Fuzzes each target for a while, guided by the code that inputs reach. An input that fails is made as small as possible and
 * added to the corpus, which `npm test` runs; with `--save`, so are inputs that reach new code.
 */
import { readFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { Worker } from "node:worker_threads"
import { Coverage } from "./Coverage.ts"
import { Failure, fuzz, keep, replay } from "./fuzz.ts"
import { MAX_INPUT_BYTES } from "./mutate.ts"
import { targets } from "./targets/index.ts"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "10" },
    seed: { type: "string", default: String(Math.trunc(Date.now() % 2 ** 31)) },
    save: { type: "boolean", default: false },
    input: { type: "string" }
  }
})

const chosen = targets.filter(({ name }) => positionals.length === 0 || positionals.includes(name))
const unknown = positionals.filter((name) => !targets.some((target) => target.name === name))
if (unknown.length > 0) {
  console.error(`no such target: ${unknown.join(", ")}; expected one of ${targets.map(({ name }) => name).join(", ")}`)
  process.exit(1)
}

if (values.input !== undefined) {
  for (const target of chosen) replay(target, readFileSync(values.input))
  console.log(`${values.input} is fine`)
  process.exit(0)
}

/** The input under way: how many were before it, its length, and its bytes. */
const shared = new SharedArrayBuffer(8 + MAX_INPUT_BYTES)
const header = new Int32Array(shared, 0, 2)
const current = Buffer.from(shared, 8)

/** Only another thread can tell of an input that never ends. */
const watchdog = new Worker(
  `
  const { workerData: shared } = require("node:worker_threads")
  const header = new Int32Array(shared, 0, 2)
  let [last, since] = [-1, Date.now()]
  setInterval(() => {
    if (header[0] !== last) [last, since] = [header[0], Date.now()]
    else if (Date.now() - since > 10_000) {
      const input = Buffer.from(shared, 8, header[1]).toString("base64")
      require("node:fs").writeSync(2, "takes more than 10 s; the input, in base64: " + input + "\\n")
      process.kill(process.pid, "SIGKILL")
    }
  }, 500)`,
  { eval: true, workerData: shared }
)
watchdog.unref()

const seed = Number(values.seed)
let failed = false
for (const target of chosen) {
  const coverage = new Coverage()
  const start = performance.now()
  const end = start + Number(values.seconds) * 1000
  let found = 0
  try {
    const runs = fuzz(target, {
      seed,
      coverage,
      goesOn: (_, input) => {
        header[1] = input.copy(current)
        header[0]!++
        return performance.now() < end
      },
      onNew: (input) => {
        found++
        if (values.save) keep(target, input)
      }
    })
    console.log(
      `${target.name}: ${runs} inputs, ${coverage.size} ways through functions, ${found} inputs found new ones (seed ${seed})`
    )
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause
    failed = true
    console.error(`${cause.message}\n\nafter ${((performance.now() - start) / 1000).toFixed(1)} s, with seed ${seed}`)
    console.error(`npm run fuzz -- ${target.name} --input ${keep(target, cause.input)}\n`)
  } finally {
    coverage.close()
  }
}
process.exit(failed ? 1 : 0)
