import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { cpSync, existsSync, readFileSync, rmSync } from "node:fs"
import { basename, join } from "node:path"
import { serve } from "../../src/commands/serve.ts"
import * as Relay from "../faults/Relay.ts"
import * as Cli from "../support/Cli.ts"
import * as Commands from "../support/Commands.ts"
import * as Directory from "../support/Directory.ts"
import { ROOT } from "../support/Package.ts"
import * as Server from "../support/Server.ts"
import * as TcpClient from "../support/TcpClient.ts"
import { threadCounts } from "../support/threadCounts.ts"

describe("the quick start", () => {
  it.live("relays between two clients, byte for byte, with the defaults where there is no configuration", () =>
    Effect.gen(function* () {
      const server = yield* Cli.listening([], { cwd: yield* Directory.make() })
      assert.match(server.output(), /configuration: built-in defaults/)
      const a = yield* TcpClient.connect(server.port)
      const b = yield* TcpClient.connect(server.port)
      yield* TcpClient.settled(b, a)
      a.send('say "hi" \\ to Zoë 🐙\r\n\n')
      assert.deepStrictEqual(yield* b.lines(2), [
        `{"remote_addr":"${a.address}","content":"say \\"hi\\" \\\\ to Zoë 🐙"}`,
        `{"remote_addr":"${a.address}","content":""}`
      ])
      b.send("back\n")
      assert.strictEqual(yield* a.line, TcpClient.envelope(b, "back"))
    })
  )

  it.live("logs what happens", () =>
    Effect.gen(function* () {
      const server = yield* Relay.inProcess()
      const a = yield* TcpClient.connect(server.port)
      const b = yield* TcpClient.connect(server.port)
      yield* server.printed(/\(2 clients\)/)
      a.send("hello\n")
      yield* server.printed(new RegExp(`^INFO From ${a.address}: hello$`, "m"))
      yield* b.line
      b.socket.resetAndDestroy()
      yield* server.printed(new RegExp(`^INFO ${b.address} disconnected: \\S+ \\(1 client\\)$`, "m"))
      a.socket.end()
      yield* server.printed(new RegExp(`^INFO ${a.address} disconnected: closed by the client \\(0 clients\\)$`, "m"))
      assert.notMatch(server.output(), /ERROR|WARNING/)
    })
  )

  it.live.skipIf(!existsSync(Cli.SYSTEM_NODE))(
    `works on the node that the machine has, without warnings${existsSync(Cli.SYSTEM_NODE) ? "" : ` (skipped: no ${Cli.SYSTEM_NODE})`}`,
    () =>
      Effect.gen(function* () {
        const server = yield* Cli.listening(["--log-level", "INFO"], { node: Cli.SYSTEM_NODE })
        const a = yield* TcpClient.connect(server.port)
        const b = yield* TcpClient.connect(server.port)
        yield* TcpClient.settled(b, a)
        a.send("hello\n")
        assert.strictEqual(yield* b.line, TcpClient.envelope(a, "hello"))
        server.process.kill("SIGTERM")
        assert.deepStrictEqual(yield* server.exit, { code: 0, signal: null })
        assert.notMatch(server.output(), /Warning:|deprecat|experimental/)
      })
  )
})

describe("the configuration", () => {
  it.live("is reported with all its problems and without a stack trace", () =>
    Effect.gen(function* () {
      const cwd = yield* Directory.make({
        "bad.json": { prot: 1, hyper_parameters: { max_line_bytes: "x" }, version: "go" },
        "broken.json": '{\n  "port": 8888,\n}'
      })
      const bad = yield* Commands.line(["--config", "bad.json"], { cwd })
      assert.strictEqual(bad.code, 1)
      for (const part of ["prot", "port", "hyper_parameters.max_line_bytes", "version", '"python"']) {
        assert.include(bad.stderr, part)
      }
      assert.notMatch(bad.stderr, /^\s+at /m)

      const broken = yield* Commands.run(serve, ["--config", "broken.json"], { cwd })
      assert.match(broken.error!, /broken\.json[^]*line 3, column 1/)
      const missing = yield* Commands.run(serve, ["--config", "missing.json"], { cwd })
      assert.match(missing.error!, /^.*missing\.json.*$/)
    })
  )

  it.live(
    "is ./server.json, unless flags say more; names the log file after the server, and with JSON shows a message as its envelope, there and on the console",
    () =>
      Effect.gen(function* () {
        const logger = { enable_file_log: true, enable_json_log: true, log_file_path: "logs" }
        const cwd = yield* Directory.make({ "server.json": { host: "127.0.0.2", port: 1, logger } })
        const server = yield* Cli.listening(["--name", "relay.one"], { cwd })
        assert.match(server.output(), /configuration: server\.json/)
        assert.match(server.output(), /listening on 127\.0\.0\.2:/)
        const a = yield* TcpClient.connect(server.port, { host: "127.0.0.2" })
        yield* server.printed(/\(1 client\)/)
        a.send('{"_payload":{"text":"hi"}}\n')
        yield* server.printed(/ - INFO - \{"remote_addr":"[^"]+","content":\{"_payload":\{"text":"hi"\}\}\}\n/)
        server.process.kill("SIGINT")
        assert.strictEqual((yield* server.exit).code, 0)
        const lines = readFileSync(join(cwd, "logs", "relay_one.log"), "utf8")
          .trimEnd()
          .split("\n")
        assert.strictEqual(JSON.parse(lines.at(-1)!).message, "shutdown complete")
        const relayed = lines.map((line) => JSON.parse(line)).find(({ message }) => typeof message === "object")
        assert.deepStrictEqual(relayed.message, { remote_addr: a.address, content: { _payload: { text: "hi" } } })
        assert.deepStrictEqual(Object.keys(relayed), ["timestamp", "name", "level", "message"])
      })
  )

  it.live("with a log directory that cannot be written is refused in one line", () =>
    Effect.gen(function* () {
      const cwd = yield* Directory.make({
        "server.json": { logger: { enable_file_log: true, log_file_path: "taken/logs" } },
        taken: "a file"
      })
      const { code, stderr } = yield* Commands.line(["--port", "0"], { cwd })
      assert.strictEqual(code, 1)
      assert.match(stderr, /^error: .*taken.*\n$/)
    })
  )
})

describe("the server that cannot listen", () => {
  it.live("fails in one line that names host, port and reason", () =>
    Effect.gen(function* () {
      const server = yield* Server.start()
      const second = yield* Cli.start(["--port", String(server.port)])
      assert.strictEqual((yield* second.exit).code, 1)
      assert.strictEqual(
        second.output().split("\n").at(-2),
        `error: cannot listen on 127.0.0.1:${server.port}: the port is already in use (EADDRINUSE)`
      )
      const elsewhere = yield* Effect.flip(Server.start({ host: "203.0.113.1", port: 8888 }))
      assert.match(elsewhere.message, /^cannot listen on 203\.0\.113\.1:8888: .*\(EADDRNOTAVAIL\)$/)
    })
  )
})

describe("the command line", () => {
  it.live("names the file of the program that is missing", () =>
    Effect.gen(function* () {
      const copy = yield* Directory.make()
      for (const path of ["dist/cli.js", "dist/cli", "package.json", "server.schema.json"]) {
        cpSync(join(ROOT, path), join(copy, basename(path)), { recursive: true })
      }
      rmSync(join(copy, "cli/dashboard.json"))
      const program = yield* Cli.start(["--port", "0"], {
        program: join(copy, "cli.js"),
        env: { SUMMONER_ADMIN_PORT: "0" }
      })
      assert.deepStrictEqual(yield* program.exit, { code: 1, signal: null })
      assert.match(
        program.output(),
        /^error: Error: ENOENT: no such file or directory, open \S+\/cli\/dashboard\.json/m
      )
    })
  )
})

/** A client is `slow` once so much waits for it that the kernel, of whatever size its buffers are, does not take the rest soon. */
const DEEP = { soft_limit_bytes: 16 * 1024 * 1024, hard_limit_bytes: 512 * 1024 * 1024 }

describe("shutdown", () => {
  it.live.each(threadCounts)(
    "waits for a client that never reads no longer than the grace, with %i thread(s)",
    (worker_threads) =>
      Effect.gen(function* () {
        const server = yield* Relay.inProcess({
          logger: { log_keys: [] },
          limits: { worker_threads, shutdown_grace_ms: 300, slow_consumer: DEEP }
        })
        const client = yield* TcpClient.connect(server.port)
        const witness = yield* TcpClient.connect(server.port)
        const deaf = yield* TcpClient.connect(server.port)
        yield* TcpClient.settled(client, witness)
        deaf.socket.pause()
        // As many bytes as it takes: the kernel takes more or less of them first.
        const line = `${JSON.stringify({ _payload: { text: "x".repeat(60_000) }, _type: {} })}\n`
        while (!server.output().includes(`${deaf.address} slow`)) {
          client.send(line)
          yield* witness.line
        }
        yield* server.stop
        yield* server.printed(new RegExp(`${deaf.address} was cut with \\d+ bytes unsent`))
        assert.strictEqual((yield* client.rest).at(-1), "Warning: Server is shutting down.")
        deaf.socket.destroy()
      })
  )

  it.live.each(threadCounts)("ends at once on a second signal, with %i thread(s)", (worker_threads) =>
    Effect.gen(function* () {
      const cwd = yield* Directory.make({
        "server.json": {
          logger: { log_keys: [] },
          hyper_parameters: {
            worker_threads,
            shutdown_grace_ms: 600_000,
            rate_limit_msgs_per_minute: 1_000_000,
            slow_consumer: DEEP
          }
        }
      })
      const server = yield* Cli.listening([], { cwd })
      const reader = yield* TcpClient.connect(server.port)
      const deaf = [yield* TcpClient.connect(server.port), yield* TcpClient.connect(server.port)]
      const filler = yield* TcpClient.connect(server.port)
      yield* server.printed(/\(4 clients\)/)
      for (const { socket } of deaf) socket.pause()
      // As many bytes as it takes: the kernel takes more or less of them first.
      const line = `${JSON.stringify({ _payload: { text: "x".repeat(60_000) }, _type: {} })}\n`
      while (!deaf.every(({ address }) => server.output().includes(`${address} slow`))) {
        filler.send(line)
        yield* reader.line
      }
      // A hang-up is no signal to end, and another signal than the first is a second one.
      server.process.kill("SIGTERM")
      yield* server.printed(/shutting down/)
      server.process.kill("SIGHUP")
      // Which takes a server that has not ended.
      deaf[0]!.socket.resume()
      assert.strictEqual((yield* deaf[0]!.rest).at(-1), "Warning: Server is shutting down.")
      server.process.kill("SIGINT")
      assert.strictEqual((yield* server.exit).code, 130)
    })
  )
})
