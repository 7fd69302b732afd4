import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Net from "node:net"
import { availableParallelism } from "node:os"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Tls from "node:tls"
import { pathToFileURL } from "node:url"
import { check } from "../../src/commands/check.ts"
import * as NatsServer from "../bus/NatsServer.ts"
import * as Relay from "../faults/Relay.ts"
import * as Certificates from "../support/Certificates.ts"
import * as Cli from "../support/Cli.ts"
import * as Commands from "../support/Commands.ts"
import * as Directory from "../support/Directory.ts"
import * as Loopback from "../support/Loopback.ts"
import * as Server from "../support/Server.ts"
import * as TcpClient from "../support/TcpClient.ts"
import { OPEN, settle } from "../support/Threads.ts"

interface Config {
  readonly hyper_parameters?: object
  readonly [group: string]: unknown
}

const start = Effect.fnUntraced(function* (
  config: Config = {},
  setup: Cli.Options = {},
  args: ReadonlyArray<string> = []
) {
  const hyper_parameters = { worker_threads: 2, ...OPEN, ...config.hyper_parameters }
  const cwd = yield* Directory.make({ "server.json": { ...config, hyper_parameters } })
  const server = yield* Cli.listening(args, { cwd, ...setup })
  return { server, cwd }
})

/** Clients that all hear each other, most likely of both threads. */
const room = Effect.fnUntraced(function* (port: number) {
  const clients = yield* Effect.all(Array.from({ length: 6 }, () => TcpClient.connect(port)))
  yield* settle(clients)
  return clients
})

/** Waits until a figure of the metrics page is this one. */
const metricIs = (server: Pick<Cli.Running, "printed">, name: string, holds: (value: number) => boolean) =>
  Effect.gen(function* () {
    const [, url] = yield* server.printed(/admin on (http:[^\s"]+)/)
    const look = Effect.promise(async () => {
      const page = await (await fetch(`${url}/metrics`)).text()
      const line = page.split("\n").find((line) => line.startsWith(`${name} `))
      return line !== undefined && holds(Number(line.split(" ")[1]))
    })
    yield* Effect.repeat(Effect.delay(look, 50), { until: (is) => is })
  })

const warningsOf = (lines: ReadonlyArray<string>) => lines.filter((line) => line.startsWith("Warning: "))

/** Whose certificate a new client is shown. */
const subjectAt = (port: number) =>
  new Promise<unknown>((resolve, reject) => {
    const socket = Tls.connect({ port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().subject.CN)
      socket.destroy()
    }).on("error", reject)
  })

/** Tries to connect until it is accepted. */
const knock = (at: Net.TcpNetConnectOpts): Promise<Net.Socket> =>
  new Promise((resolve) => {
    const socket = Net.connect(at)
    socket.once("connect", () => resolve(socket)).once("error", () => resolve(knock(at)))
  })

const isAble = process.platform === "linux" && availableParallelism() >= 2

describe
  .skipIf(!isAble)
  .concurrent(`the program with two threads${isAble ? "" : " (skipped: it takes Linux and two cores)"}`, () => {
    it.live("serves clients that have tried to connect since before its start, during which a SIGHUP is a reload", () =>
      Effect.gen(function* () {
        const at = Loopback.address()
        const knocks = Array.from({ length: 16 }, () => knock(at))
        const hyper_parameters = { worker_threads: 2 }
        const cwd = yield* Directory.make({ "server.json": { host: at.host, port: at.port, hyper_parameters } })
        const server = yield* Cli.start([], { cwd })
        yield* server.printed(/configuration: server\.json\n/)
        server.process.kill("SIGHUP")
        const sockets = yield* Effect.promise(() => Promise.all(knocks))
        for (const socket of sockets) {
          yield* server.printed(new RegExp(`${socket.localAddress}:${socket.localPort} connected`))
          socket.destroy()
        }
        yield* server.printed(/configuration: no key has changed\n/)
      })
    )

    const inUse = (port: number) => `cannot listen on 127.0.0.1:${port}: the port is already in use (EADDRINUSE)`

    it.live(
      "keeps its port from a server of one thread, and from another of two, which says once why it does not start",
      () =>
        Effect.gen(function* () {
          const { port } = yield* Relay.inProcess({ limits: { worker_threads: 2 } })
          const failure = yield* Effect.flip(Server.start({ port, hyper_parameters: { worker_threads: 1 } }))
          assert.strictEqual(failure.message, inUse(port))
          const cwd = yield* Directory.make({ "server.json": { hyper_parameters: { worker_threads: 2 } } })
          const other = yield* Cli.start(["--port", String(port)], { cwd })
          assert.deepStrictEqual(yield* other.exit, { code: 1, signal: null })
          assert.deepStrictEqual(other.output().match(/cannot listen on .*\n/g), [`${inUse(port)}\n`])
          assert.notMatch(other.output(), /\n\s+at /)
        })
    )

    it.live("does not start where a server of one thread has the port", () =>
      Effect.gen(function* () {
        const { port } = yield* Relay.inProcess({ limits: { worker_threads: 1 } })
        const failure = yield* Effect.flip(Server.start({ port, hyper_parameters: { worker_threads: 2 } }))
        assert.strictEqual(failure.message, inUse(port))
      })
    )

    it.live("starts once of two that start on one port at the same time", () =>
      Effect.gen(function* () {
        const { host, port } = Loopback.address()
        const cwd = yield* Directory.make({ "server.json": { host, port, hyper_parameters: { worker_threads: 2 } } })
        const servers = yield* Effect.all([Cli.start([], { cwd }), Cli.start([], { cwd })])
        const outcomes = yield* Effect.forEach(
          servers,
          ({ exit, printed }) =>
            Effect.raceFirst(
              Effect.as(printed(/listening on/), "listens"),
              Effect.map(exit, ({ code }) => `exit code ${code}`)
            ),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(outcomes.toSorted(), ["exit code 1", "listens"])
      })
    )

    it.live("runs in a program that Node.js was given as a text", () =>
      Effect.gen(function* () {
        const cwd = yield* Directory.make({ "server.json": { hyper_parameters: { worker_threads: 2 } } })
        const text = `process.argv = ["", "", "--port", "0"]; await import(${JSON.stringify(pathToFileURL(Cli.PROGRAM).href)})`
        const server = yield* Cli.start(["--eval", text], { cwd, program: "--input-type=module" })
        yield* server.printed(/listening on/)
      })
    )

    it.live("ends in order when a signal comes during its start", () =>
      Effect.gen(function* () {
        const cwd = yield* Directory.make({ "server.json": { port: 0, hyper_parameters: { worker_threads: 2 } } })
        const server = yield* Cli.start([], { cwd })
        yield* server.printed(/configuration: server\.json\n/)
        server.process.kill("SIGTERM")
        assert.deepStrictEqual(yield* server.exit, { code: 0, signal: null })
        assert.notMatch(server.output(), /ERROR|error/)
      })
    )

    it.live.skipIf(!Certificates.hasOpenssl)(`has one TLS identity${Certificates.withOpenssl}`, () =>
      Effect.gen(function* () {
        const certificates = yield* Certificates.make
        const config = {
          port: 0,
          tls: { cert: "server.pem", key: "server-key.pem" },
          hyper_parameters: { worker_threads: 2 }
        }
        certificates.write("server.json", JSON.stringify(config))
        const server = yield* Cli.listening([], { cwd: certificates.directory })
        certificates.signed("server", "/CN=renewed", "server.ext", 20)
        server.process.kill("SIGHUP")
        yield* server.printed(/TLS as CN=renewed, until/)
        yield* server.printed(/server\.pem expires in \d+ days/)
        // The reload is done when the threads have it.
        certificates.write("server.pem", "nonsense")
        server.process.kill("SIGHUP")
        yield* server.printed(/ERROR - the TLS certificate was not renewed: tls\.cert: .* which is not PEM\n/)
        for (let i = 0; i < 6; i++) {
          assert.strictEqual(yield* Effect.promise(() => subjectAt(server.port)), "renewed")
        }
        for (const once of [/TLS as CN=localhost/g, /TLS as CN=renewed/g, /expires in/g, /was not renewed/g]) {
          assert.strictEqual(server.output().match(once)?.length, 1, String(once))
        }
      })
    )

    it.live.skipIf(!NatsServer.isInstalled)(
      `is one room with a server of another machine, by NATS${NatsServer.isInstalled ? "" : " (skipped: this machine has no nats-server)"}`,
      () =>
        Effect.gen(function* () {
          const nats = yield* NatsServer.started()
          const servers = yield* Effect.forEach(["a", "b"], (name) =>
            Relay.inProcess({
              limits: { worker_threads: 2 },
              groups: { admin: { port: 0 }, cluster: { nats: { servers: [nats.url], name } } }
            })
          )
          for (const server of servers) yield* metricIs(server, "summoner_bus_peers", (peers) => peers === 3)
          const clients = yield* Effect.forEach([...servers, ...servers, ...servers], ({ port }) =>
            TcpClient.connect(port)
          )
          yield* settle(clients)
        })
    )

    it.live(
      "runs no more threads than there are cores, says so, and writes one log, each line whole, alike to file and console; SIGTERM ends it in order",
      () =>
        Effect.gen(function* () {
          const cores = availableParallelism()
          const { cwd, server } = yield* start({
            admin: { port: 0 },
            hyper_parameters: { worker_threads: cores + 2 },
            logger: { enable_json_console: true, enable_file_log: true, enable_json_log: true }
          })
          const remark = `worker_threads: ${cores + 2} configured, ${cores} run: this machine has ${cores} cores`
          assert.include(server.output(), remark)
          assert.include((yield* Commands.run(check, [], { cwd })).stdout, remark)
          const clients = yield* room(server.port)
          const count = 100
          for (let i = 0; i < count; i++) for (const client of clients) client.send(`${i} ${"x".repeat(100)}\n`)
          for (const client of clients) yield* client.lines((clients.length - 1) * count)
          yield* metricIs(server, "summoner_workers", (workers) => workers === cores)
          yield* metricIs(server, 'summoner_worker_heap_bytes{worker="2"}', (bytes) => bytes > 1e6)
          yield* metricIs(server, 'summoner_worker_cpu_seconds_total{worker="1"}', (seconds) => seconds > 0)
          server.process.kill("SIGTERM")
          for (const client of clients) {
            assert.deepStrictEqual(warningsOf(yield* client.rest), ["Warning: Server is shutting down."])
          }
          assert.deepStrictEqual(yield* server.exit, { code: 0, signal: null })
          yield* Effect.callback<void>((resume) => {
            const other = Net.createServer().on("error", (error) => resume(Effect.die(error)))
            other.listen(server.port, "127.0.0.1", () => other.close(() => resume(Effect.void)))
          })
          const lines = ["MyServer.log.3", "MyServer.log.2", "MyServer.log.1", "MyServer.log"].flatMap((name) => {
            const path = join(cwd, name)
            return existsSync(path) ? readFileSync(path, "utf8").trimEnd().split("\n") : []
          })
          assert.deepStrictEqual(server.stdout().trimEnd().split("\n"), lines)
          const messages = lines.map((line) => (JSON.parse(line) as { readonly message: unknown }).message)
          assert.include(messages, `shutting down, clients connected: ${clients.length}`)
          assert.strictEqual(messages.at(-1), "shutdown complete")
          for (const { address } of clients) {
            const numbers = messages.flatMap((message) => {
              const { content = "", remote_addr } = message as {
                readonly remote_addr?: string
                readonly content?: string
              }
              return remote_addr === address && /^\d+ x/.test(content) ? [Number.parseInt(content, 10)] : []
            })
            assert.deepStrictEqual(
              numbers,
              Array.from({ length: count }, (_, i) => i)
            )
          }
        })
    )
  })

describe("the program on a Node.js that cannot share ports", () => {
  it.live("runs one thread, and says why", () =>
    Effect.gen(function* () {
      const { server } = yield* start({}, { node: Cli.SYSTEM_NODE })
      const [one, two] = [yield* TcpClient.connect(server.port), yield* TcpClient.connect(server.port)]
      yield* TcpClient.settled(one, two)
      yield* Server.until(() => /configured, 1 runs: Node\.js \S+ on \w+ cannot share a port/.test(server.output()))
      server.process.kill("SIGTERM")
      assert.deepStrictEqual(yield* server.exit, { code: 0, signal: null })
    })
  )
})
