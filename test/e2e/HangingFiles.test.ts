import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { type ChildProcess, execFileSync } from "node:child_process"
import { closeSync, constants, copyFileSync, mkdirSync, openSync, rmSync, writeFileSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as NatsCredentials from "../bus/NatsCredentials.ts"
import * as NatsServer from "../bus/NatsServer.ts"
import * as Certificates from "../support/Certificates.ts"
import * as Cli from "../support/Cli.ts"
import * as Directory from "../support/Directory.ts"
import * as HungMount from "../support/HungMount.ts"
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

/** Has the server read its files again and again. */
const hangingUp = (server: ChildProcess) =>
  Effect.forever(
    Effect.andThen(
      Effect.sync(() => server.kill("SIGHUP")),
      Effect.sleep("100 millis")
    )
  )

const LOG_FILE_ONLY = { enable_console_log: false, enable_file_log: true }

/** A server that is to reload a configuration which gives no answer. */
const reloading = Effect.gen(function* () {
  const cwd = yield* Directory.make({ "server.json": {} })
  const server = yield* Cli.listening([], { cwd })
  const file = join(cwd, "server.json")
  rmSync(file)
  execFileSync("mkfifo", [file])
  server.process.kill("SIGHUP")
  return { file, server }
})

describe.skipIf(process.platform === "win32").concurrent("the program, with a file that hangs,", () => {
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

  it.live(
    "says that a reload waits for its configuration, and reloads once that comes; a signal ends one that waits",
    () =>
      Effect.gen(function* () {
        const { file, server } = yield* reloading
        yield* server.printed(/WARNING - configuration not reloaded yet: no answer from its file within 10 s\n/)
        yield* Effect.promise(() => writeFile(file, '{ "hyper_parameters": { "max_clients": 7 } }'))
        yield* server.printed(/hyper_parameters\.max_clients: 100000 -> 7/)
        server.process.kill("SIGHUP")
        yield* isReading(file)
        server.process.kill("SIGTERM")
        assert.deepStrictEqual(yield* server.exit, { code: null, signal: "SIGTERM" })
      })
  )

  it.live("ends by a second signal while a reload waits for its configuration", () =>
    Effect.gen(function* () {
      const { file, server } = yield* reloading
      yield* isReading(file)
      for (const signal of ["SIGTERM", "SIGINT"] as const) server.process.kill(signal)
      const { code, signal } = yield* server.exit
      assert.isNull(code)
      assert.include(["SIGTERM", "SIGINT"], signal)
    })
  )
})

describe.skipIf(!HungMount.isAvailable).concurrent("the program, beside a network mount that hangs,", () => {
  const directory = (server: unknown) =>
    Effect.tap(Directory.make({ "server.json": server }), (cwd) => Effect.sync(() => mkdirSync(join(cwd, "mnt"))))

  const TLS = { cert: "mnt/server.pem", key: "mnt/server-key.pem" }
  const NATS = { servers: "nats://127.0.0.1:1", credentials: "mnt/user.creds" }
  it.live.each([
    ["", "the log file", { logger: { enable_file_log: true, log_file_path: "mnt" } }],
    ["", "a certificate", { tls: TLS }],
    ["", "credentials of NATS", { cluster: { nats: NATS } }],
    ["--config mnt/server.json", "the configuration", {}],
    ["check --config mnt/server.json", "the configuration", {}],
    ["connect --tls --ca mnt/ca.pem", "an authority", {}],
    ["init mnt/server.json", "what was there before", {}]
  ] as const)("ends by the first signal: %j waits for %s", ([command, , server]) =>
    Effect.gen(function* () {
      const program = yield* HungMount.start(command.split(" ").filter(Boolean), yield* directory(server))
      yield* program.hangs
      program.process.kill("SIGTERM")
      assert.deepStrictEqual(yield* program.exit, { code: null, signal: "SIGTERM" })
    })
  )

  it.live.each([
    ["", "within the grace period after a signal", 300, ["SIGTERM"]],
    ["not ", "at the second signal", 600_000, ["SIGTERM", "SIGTERM"]]
  ] as const)(
    "relays while the log cannot be written, and ends, %ssaying what is missing, %s",
    ([not, , grace, signals]) =>
      Effect.gen(function* () {
        const cwd = yield* directory({
          logger: { enable_file_log: true, log_file_path: "mnt" },
          hyper_parameters: { shutdown_grace_ms: grace }
        })
        const hang = HungMount.late(cwd)
        const server = yield* HungMount.start(["--port", "0"], cwd)
        const [, port] = yield* server.printed(/listening on \S*:(\d+)/)
        yield* hang
        const [a, b] = [yield* TcpClient.connect(Number(port)), yield* TcpClient.connect(Number(port))]
        yield* server.hangs
        yield* TcpClient.settled(b, a)
        for (const signal of signals) {
          server.process.kill(signal)
          yield* server.printed(/shutdown complete/)
        }
        assert.deepStrictEqual(yield* server.exit, { code: null, signal: "SIGTERM" })
        const missing = /\n\d+ lines were not written to \S+mnt\/MyServer\.log\n$/
        assert.strictEqual(missing.test(server.output()), not === "")
      })
  )

  it.live.skipIf(!Certificates.hasOpenssl)("relays while a reload waits for a certificate, and ends by a signal", () =>
    Effect.gen(function* () {
      const certificates = yield* Certificates.make
      const cwd = yield* directory({ tls: TLS })
      for (const name of ["server.pem", "server-key.pem"]) copyFileSync(certificates.path(name), join(cwd, "mnt", name))
      const hang = HungMount.late(cwd)
      const server = yield* HungMount.start(["--port", "0"], cwd)
      const [, port] = yield* server.printed(/listening on \S*:(\d+)/)
      yield* hang
      // Until the mount is there, the reload finds the files.
      yield* Effect.raceFirst(server.hangs, hangingUp(server.process))
      const [a, b] = [
        yield* TcpClient.connect(Number(port), { tls: certificates.client() }),
        yield* TcpClient.connect(Number(port), { tls: certificates.client() })
      ]
      yield* TcpClient.settled(b, a)
      yield* server.printed(
        /ERROR - the TLS certificate was not renewed: tls\.cert: .* which gave no answer within 10 s\n/
      )
      server.process.kill("SIGTERM")
      assert.deepStrictEqual(yield* server.exit, { code: null, signal: "SIGTERM" })
      assert.include(server.output(), "shutdown complete")
    })
  )

  it.live.skipIf(!NatsServer.isInstalled)(
    "keeps its connection to NATS while the credentials cannot be read, and says so",
    () =>
      Effect.gen(function* () {
        const nats = yield* NatsServer.started()
        const cwd = yield* directory({ cluster: { nats: { servers: nats.url, credentials: NATS.credentials } } })
        writeFileSync(join(cwd, NATS.credentials), NatsCredentials.make().credentials)
        const hang = HungMount.late(cwd)
        const server = yield* HungMount.start(["--port", "0"], cwd)
        yield* server.printed(/bus: connected to NATS/)
        yield* hang
        yield* Effect.raceFirst(server.hangs, hangingUp(server.process))
        yield* server.printed(
          /WARNING - bus: cluster\.nats\.credentials: .* which gave no answer within 10 s; the connection stays as it was/
        )
        server.process.kill("SIGTERM")
        assert.deepStrictEqual(yield* server.exit, { code: null, signal: "SIGTERM" })
        assert.include(server.output(), "shutdown complete")
      })
  )
})
