import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { execFileSync } from "node:child_process"
import { closeSync, constants, openSync, rmSync } from "node:fs"
import { join } from "node:path"
import * as Cli from "../support/Cli.ts"
import * as Directory from "../support/Directory.ts"
import * as TcpClient from "../support/TcpClient.ts"

const withPipe = Effect.fnUntraced(function* (name: string, files: Readonly<Record<string, unknown>> = {}) {
  const cwd = yield* Directory.make(files)
  execFileSync("mkfifo", [join(cwd, name)])
  return cwd
})

/** Waits until a process has opened the pipe, which then waits for the first byte. */
const isReading = (pipe: string) =>
  Effect.acquireRelease(
    Effect.sync(() => openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK)),
    (writer) => Effect.sync(() => closeSync(writer))
  ).pipe(
    Effect.catchDefect(() => Effect.fail("no reader yet")),
    Effect.retry(Schedule.spaced("20 millis"))
  )

const LOG_FILE_ONLY = { enable_console_log: false, enable_file_log: true }

describe.skipIf(process.platform === "win32")("the program, with a file that hangs,", () => {
  it.live("shuts down with a log file that nothing reads, and says how much of it is missing", () =>
    Effect.gen(function* () {
      const cwd = yield* withPipe("MyServer.log", {
        "server.json": {
          logger: { ...LOG_FILE_ONLY, enable_console_log: true },
          hyper_parameters: { shutdown_grace_ms: 300 }
        }
      })
      const server = yield* Cli.listening([], { cwd })
      const a = yield* TcpClient.connect(server.port)
      const b = yield* TcpClient.connect(server.port)
      yield* TcpClient.settled(b, a)
      a.send(`${"x".repeat(1000)}\n`.repeat(200))
      yield* b.lines(200)
      yield* server.printed(/Cannot write the log file \S+: nothing reads this pipe/)
      server.process.kill("SIGTERM")
      assert.deepStrictEqual(yield* server.exit, { code: 0, signal: null })
      assert.match(server.output(), /\n\d+ lines were not written to \S+MyServer\.log\n$/)
    })
  )

  it.live("ends by the first signal while it waits for a configuration that never comes", () =>
    Effect.gen(function* () {
      const cwd = yield* withPipe("server.json")
      for (const args of [[], ["check"]]) {
        const program = yield* Cli.start(args, { cwd })
        yield* isReading(join(cwd, "server.json"))
        program.process.kill("SIGTERM")
        assert.deepStrictEqual(yield* program.exit, { code: null, signal: "SIGTERM" })
      }
    })
  )

  it.live("ends by a signal, or a second one, while a reload waits for its configuration", () =>
    Effect.gen(function* () {
      for (const signals of [["SIGTERM"], ["SIGTERM", "SIGINT"]] as const) {
        const cwd = yield* Directory.make({ "server.json": {} })
        const server = yield* Cli.listening([], { cwd })
        const file = join(cwd, "server.json")
        rmSync(file)
        execFileSync("mkfifo", [file])
        server.process.kill("SIGHUP")
        yield* isReading(file)
        for (const signal of signals) server.process.kill(signal)
        const { code, signal } = yield* server.exit
        assert.isNull(code)
        assert.include(signals, signal)
      }
    })
  )
})
