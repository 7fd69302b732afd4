/**
 * `npm run test:flaky [-- --modes a,b,c,d --runs 5 … file …]`: runs the tests again and again on machines of different kinds, and says
 * which of them fail. Names of test files, and what else `vitest run` takes, go on to it. Fails when one of the runs did.
 *
 * a  as the machine is
 * b  on one core
 * c  beside two processes that take a core each
 * d  with the smallest, then with the largest buffers of sockets; needs root, and restores them
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const ROOT = fileURLToPath(new URL("../", import.meta.url))

/** A run that takes longer hangs. It takes minutes beside load. */
const LIMIT_MILLIS = 30 * 60_000

const options = { modes: "a,b,c,d", runs: "5" }
const forwarded: Array<string> = []
const given = process.argv.slice(2)
for (let argument = given.shift(); argument !== undefined; argument = given.shift()) {
  const [, name, value] = /^--(modes|runs)(?:=(.*))?$/.exec(argument) ?? []
  if (name === undefined) forwarded.push(argument)
  else options[name as keyof typeof options] = value ?? given.shift() ?? ""
}
const runs = Number(options.runs)
const modes = options.modes.split(",")
const unknown = modes.filter((mode) => !["a", "b", "c", "d"].includes(mode))
if (!Number.isInteger(runs) || runs < 1 || unknown.length > 0) {
  console.error("expected --runs with a number, and --modes with some of a,b,c,d")
  process.exit(2)
}

/** What has to be undone, the last thing first, however this ends. */
const undo: Array<() => void> = []
const undoAll = () => {
  for (let last = undo.pop(); last !== undefined; last = undo.pop()) last()
}
process.on("exit", undoAll)
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129]
] as const) {
  process.on(signal, () => process.exit(code))
}

/** Starts a process, in a group of its own so that its children end with it. */
const start = (command: string, args: ReadonlyArray<string>): { child: ChildProcess; stop: () => void } => {
  const child = spawn(command, args, { cwd: ROOT, detached: true, stdio: ["ignore", "pipe", "pipe"] })
  const stop = () => {
    if (child.pid === undefined) return
    try {
      process.kill(-child.pid, "SIGKILL")
    } catch {
      // All of them have ended.
    }
  }
  undo.push(stop)
  return { child, stop }
}

interface Outcome {
  readonly seconds: number
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  /** Names of tests, or what came instead of results. */
  readonly failures: ReadonlyArray<string>
}

interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly testResults: ReadonlyArray<{
    readonly name: string
    readonly status: string
    readonly message: string
    readonly assertionResults: ReadonlyArray<{ readonly status: string; readonly fullName: string }>
  }>
}

const temporary = mkdtempSync(join(tmpdir(), "flaky-"))
undo.push(() => rmSync(temporary, { recursive: true, force: true }))

const runTests = async (before: ReadonlyArray<string>): Promise<Outcome> => {
  const file = join(temporary, "report.json")
  rmSync(file, { force: true })
  const vitest = [
    join(ROOT, "node_modules/vitest/vitest.mjs"),
    "run",
    ...forwarded,
    "--reporter=json",
    `--outputFile=${file}`
  ]
  const [command = process.execPath, ...args] = [...before, process.execPath, ...vitest]
  const from = performance.now()
  const { child, stop } = start(command, args)
  let output = ""
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-4000)
    })
  }
  let isHanging = false
  const limit = setTimeout(() => {
    isHanging = true
    stop()
  }, LIMIT_MILLIS)
  const code = await new Promise<number | null>((resolve, reject) => child.once("error", reject).once("close", resolve))
  clearTimeout(limit)
  stop()
  const seconds = (performance.now() - from) / 1000
  let report: Report
  try {
    report = JSON.parse(readFileSync(file, "utf8"))
  } catch {
    const why = isHanging ? `no end after ${LIMIT_MILLIS / 60_000} minutes` : `no results, exit code ${code}`
    return { seconds, passed: 0, failed: 0, skipped: 0, failures: [`${why}\n${output}`] }
  }
  const failures = report.testResults.flatMap(({ assertionResults, message, name, status }) => {
    const failed = assertionResults.filter((test) => test.status === "failed").map((test) => test.fullName)
    const path = name.replace(ROOT, "")
    if (status === "failed" && failed.length === 0) return [`${path}: ${message.split("\n", 1)[0]}`]
    return failed.map((test) => `${path}: ${test}`)
  })
  if (code !== 0 && failures.length === 0) failures.push(`exit code ${code}\n${output}`)
  return {
    seconds,
    passed: report.numPassedTests,
    failed: report.numFailedTests,
    skipped: report.numPendingTests,
    failures
  }
}

const table: Array<{ mode: string; outcomes: ReadonlyArray<Outcome>; reason?: string }> = []

const skip = (mode: string, reason: string) => {
  console.log(`${mode}: skipped, ${reason}`)
  table.push({ mode, outcomes: [], reason })
}

const repeat = async (mode: string, before: ReadonlyArray<string> = []) => {
  const outcomes: Array<Outcome> = []
  table.push({ mode, outcomes })
  for (let run = 1; run <= runs; run++) {
    const outcome = await runTests(before)
    outcomes.push(outcome)
    const { failed, failures, passed, seconds, skipped } = outcome
    const result = failures.length === 0 ? "green" : "RED"
    console.log(
      `${mode}, run ${run} of ${runs}: ${seconds.toFixed(0)} s, ${passed} passed, ${failed} failed, ${skipped} skipped: ${result}`
    )
    for (const failure of failures) console.log(`    ${failure}`)
  }
}

const onOneCore = async () => {
  try {
    execFileSync("taskset", ["-c", "0", "true"], { stdio: "ignore" })
  } catch {
    skip("b one core", "taskset cannot be run")
    return
  }
  await repeat("b one core", ["taskset", "-c", "0"])
}

const besideLoad = async () => {
  const burners = [0, 1].map(() => start(process.execPath, ["-e", "for (;;);"]))
  await repeat("c beside load")
  for (const { stop } of burners) stop()
}

/** Least, default and greatest size, in bytes. Linux wants 4 KiB at least to get anything through. */
const BUFFERS = [
  ["d small buffers", "4096 4096 4096", "4096 4096 4096"],
  ["d large buffers", "4096 33554432 33554432", "4096 4194304 33554432"]
] as const

const withBuffers = async () => {
  const files = ["rmem", "wmem"].map((name) => `/proc/sys/net/ipv4/tcp_${name}`)
  let before: ReadonlyArray<string>
  const set = (sizes: ReadonlyArray<string>) => files.forEach((file, i) => writeFileSync(file, sizes[i]!))
  try {
    before = files.map((file) => readFileSync(file, "utf8").trim())
    set(before)
  } catch (error) {
    skip("d buffers", `this machine does not allow to set them (${(error as NodeJS.ErrnoException).code})`)
    return
  }
  undo.push(() => set(before))
  for (const [mode, rmem, wmem] of BUFFERS) {
    set([rmem, wmem])
    await repeat(mode)
  }
  set(before)
}

execFileSync("npm", ["run", "--silent", "build"], { cwd: ROOT, stdio: ["ignore", "ignore", "inherit"] })

const MODES: Readonly<Record<string, () => Promise<void>>> = {
  a: () => repeat("a plain"),
  b: onOneCore,
  c: besideLoad,
  d: withBuffers
}
for (const mode of modes) await MODES[mode]!()

console.log("\nmode             runs  red  seconds")
for (const { mode, outcomes, reason } of table) {
  const seconds = outcomes.map((outcome) => Math.round(outcome.seconds))
  const red = outcomes.filter(({ failures }) => failures.length > 0).length
  const range = outcomes.length === 0 ? `skipped: ${reason}` : `${Math.min(...seconds)} to ${Math.max(...seconds)}`
  console.log(`${mode.padEnd(16)} ${String(outcomes.length).padStart(4)} ${String(red).padStart(4)}  ${range}`)
}
const failures = table.flatMap(({ outcomes }) => outcomes.flatMap((outcome) => outcome.failures))
const counts = new Map<string, number>()
for (const failure of failures) counts.set(failure, (counts.get(failure) ?? 0) + 1)
if (counts.size > 0) console.log("\nfailed:")
for (const [failure, count] of [...counts].toSorted(([, a], [, b]) => b - a)) console.log(`${count} times  ${failure}`)
process.exit(failures.length > 0 ? 1 : 0)
