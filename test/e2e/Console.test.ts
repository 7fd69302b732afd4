import { assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import type { Readable } from "node:stream"
import { text } from "node:stream/consumers"
import type { Options } from "../../src/logging/RelayLogger.ts"
import { bundledText } from "../support/bundled.ts"
import * as Directory from "../support/Directory.ts"
import { PATIENCE } from "../support/patience.ts"

let program: string

beforeAll(async () => {
  const directory = Fs.mkdtempSync(Path.join(tmpdir(), "summoner-console-"))
  program = Path.join(directory, "Console.mjs")
  Fs.writeFileSync(program, await bundledText(new URL("../support/programs/Console.ts", import.meta.url)))
  return () => Fs.rmSync(directory, { recursive: true })
})

/** Starts the process of `Console.ts`; it is gone when the scope closes. */
const start = (
  scenario: string,
  options: Partial<Options> & { readonly kinds?: ReadonlyArray<Partial<Options>> } = {},
  stdout: "pipe" | number = "pipe"
) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [program, scenario, JSON.stringify(options)], { stdio: ["pipe", stdout, "pipe"] })
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )

const patiently = <A>(what: string, evaluate: () => Promise<A>) =>
  Effect.timeoutOrElse(Effect.promise(evaluate), {
    duration: PATIENCE,
    orElse: () => Effect.die(new Error(`waited too long for ${what}`))
  })

const exitOf = (child: ChildProcess) =>
  patiently("the exit", async () => (child.exitCode ?? (await once(child, "exit"))[0]) as number)

/** What the process reports. */
const reportOf = <A>(child: ChildProcess) =>
  patiently("the report", async () => JSON.parse(String((await once(child.stderr!, "data"))[0])) as A)

const output = (child: ChildProcess) => patiently("the end of the console", () => text(child.stdout!))

/** Reads until something is said. */
const said = (stream: Readable, pattern: RegExp) =>
  patiently(
    String(pattern),
    () =>
      new Promise<void>((resolve) => {
        let all = ""
        stream.on("data", (chunk) => {
          all += String(chunk)
          if (pattern.test(all)) resolve()
        })
      })
  )

describe.concurrent("the console of RelayLogger", () => {
  it.live(
    "is standard output, without colours when it is no terminal, with the escapes of its format, or JSON lines",
    () =>
      Effect.gen(function* () {
        const child = yield* start("chat", {
          kinds: [
            {},
            { console_log_format: "\u001b[31m%(message)s\u001b[0m" },
            { enable_json_console: true, console_log_format: "\u001b[31m%(message)s" }
          ]
        })
        const [plain, ended, red, redEnded, ...json] = (yield* output(child)).trimEnd().split("\n")
        assert.match(plain!, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} - MyServer - INFO - started$/)
        assert.match(ended!, /INFO - ended$/)
        assert.deepStrictEqual([red, redEnded], ["\u001b[31mstarted\u001b[0m", "\u001b[31mended\u001b[0m"])
        assert.deepStrictEqual(
          json.map((line) => line.replace(/"timestamp":"[^"]+"/, '"timestamp":"now"')),
          ["started", "ended"].map(
            (message) => `{"timestamp":"now","name":"MyServer","level":"INFO","message":"${message}"}`
          )
        )
      })
  )

  it.live("drops lines instead of waiting while nobody reads it, and says how many once it is read again", () =>
    Effect.gen(function* () {
      const child = yield* start("unread")
      const found = yield* reportOf<Record<"logged" | "dropped", number>>(child)
      const lines = (yield* output(child)).split("\n").slice(0, -1)
      assert.strictEqual(yield* exitOf(child), 0)
      const warnings = lines.filter((line) => line.includes(" WARNING - "))
      assert.lengthOf(warnings, 1)
      assert.include(warnings[0], `${found.dropped} lines were dropped`)
      assert.strictEqual(lines.length - 1 + found.dropped, found.logged)
      assert.isAbove(found.dropped, 0)
    })
  )

  it.live("delays the end by its time and no longer when nobody reads it, and says what was not written", () =>
    Effect.gen(function* () {
      const child = yield* start("ignored")
      const said = yield* patiently("the end", () => text(child.stderr!))
      assert.match(said, /^\d+ lines were not written to standard output$/m)
      assert.include(said, JSON.stringify({ isEarly: false, isInTime: true }))
      assert.strictEqual(yield* exitOf(child), 0)
    })
  )

  it.live("may be closed by its reader without ending the process", () =>
    Effect.gen(function* () {
      const child = yield* start("abandoned")
      child.stdout!.destroy()
      child.stdin!.end()
      assert.deepStrictEqual(yield* reportOf(child), { isAlive: true })
      assert.strictEqual(yield* exitOf(child), 0)
    })
  )

  it.live("may be a file, which gets every line", () =>
    Effect.gen(function* () {
      const path = Path.join(yield* Directory.make(), "out")
      const child = yield* start("brief", {}, Fs.openSync(path, "w"))
      assert.strictEqual(yield* exitOf(child), 0)
      const lines = Fs.readFileSync(path, "utf8").split("\n").slice(0, -1)
      assert.deepStrictEqual(
        lines.map((line) => Number(/: (\d+) x{200}$/.exec(line)?.[1])),
        Array.from({ length: 1000 }, (_, i) => i)
      )
    })
  )
})

describe.concurrent("a log file that can no longer be written", () => {
  for (const [place, enable_console_log] of [
    ["on the console", true],
    ["on standard error when there is no console log", false]
  ] as const) {
    it.live(`is reported once, ${place}`, () =>
      Effect.gen(function* () {
        const directory = Path.join(yield* Directory.make(), "logs")
        const child = yield* start("outage", { enable_console_log, enable_file_log: true, log_file_path: directory })
        const [heard, silent] = enable_console_log ? [child.stdout!, child.stderr!] : [child.stderr!, child.stdout!]
        const everything = yield* Effect.forkChild(
          Effect.forEach([heard, silent], (stream) => Effect.promise(() => text(stream)), {
            concurrency: "unbounded"
          }),
          { startImmediately: true }
        )
        yield* said(heard, /Cannot write the log file/)
        Fs.rmSync(directory)
        child.stdin!.end()
        assert.strictEqual(yield* exitOf(child), 0)
        const [report, rest] = yield* Fiber.join(everything)
        const path = Path.join(directory, "MyServer.log")
        assert.lengthOf(report!.match(/Cannot write the log file/g) ?? [], 1)
        assert.include(report, path)
        assert.strictEqual(rest, "")
        assert.match(Fs.readFileSync(path, "utf8"), /kept\n[^\n]*ended\n$/)
      })
    )
  }
})
