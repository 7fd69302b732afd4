import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { createServer } from "node:http"
import { top as command } from "../../src/commands/top.ts"
import * as Admin from "../support/Admin.ts"
import * as Cli from "../support/Cli.ts"
import * as Commands from "../support/Commands.ts"
import * as FakeServer from "../support/FakeServer.ts"
import * as HostServer from "../support/HostServer.ts"
import * as Ports from "../support/Ports.ts"
import * as TcpClient from "../support/TcpClient.ts"
import { run } from "../support/Tools.ts"
import * as ConnectCli from "./connect/ConnectCli.ts"

/** Runs `top` where there is no terminal. */
const top = (args: ReadonlyArray<string>) => run(process.execPath, [Cli.PROGRAM, "top", ...args])

describe("top", () => {
  it.live("prints one picture where there is no terminal", () =>
    Effect.gen(function* () {
      const server = yield* Admin.start()
      const [a, b] = [yield* TcpClient.connect(server.port), yield* TcpClient.connect(server.port)]
      yield* server.logged(/\(2 clients\)/)
      a.send("1\n2\n3\n")
      b.send("4\n")
      yield* a.line
      yield* b.lines(3)
      const { code, stderr, stdout } = yield* top([new URL(server.url).port, "--sort", "lines_in"])
      assert.strictEqual(stderr, "")
      assert.strictEqual(code, 0)
      assert.match(stdout, /^summoner-server \S+ {2}ready {2}up \d+[smh](?: \d+[smh])? {2}http:\/\/127\.0\.0\.1:\d+\n/)
      assert.match(stdout, /\nClients {13}2 {10,11}Lines in {5}\S+\/s +Deliveries {4}\S+\/s\n/)
      assert.match(stdout, /\nOut +\S+ (?:Ki)?B\/s +Latency p99 .+ Backlog +0 B\n/)
      assert.match(stdout, /\nConnections +2 +Latency p50 .+ Worst client +0 B\n/)
      const clients = stdout.split("\n\n")[1]!.split("\n")
      assert.match(clients[0]!, /^Client +State +Connected +Lines in +Lines out +In +Out +Backlog$/)
      assert.match(clients[1]!, new RegExp(`^${a.address} +active +\\d+[smh](?: \\d+[smh])? +3 +1 +6 B +\\d+ B +0 B$`))
      assert.match(clients[2]!, new RegExp(`^${b.address} +active +\\d+[smh](?: \\d+[smh])? +1 +3 +`))
    })
  )

  it.live("says with exit code 2 that there is no answer, or not the right one", () =>
    Effect.gen(function* () {
      const port = yield* Ports.lasting
      const nobody = yield* top([String(port)])
      assert.deepStrictEqual(
        [nobody.code, nobody.stdout, nobody.stderr],
        [2, "", `error: no answer from http://127.0.0.1:${port}: connection refused (ECONNREFUSED)\n`]
      )
      const server = yield* Admin.start({ host: "0.0.0.0" })
      const { port: adminPort } = new URL(server.url)
      const refused = yield* Commands.run(command, [adminPort], { cwd: process.cwd() })
      assert.include(refused.error!, "it wants a token: set SUMMONER_ADMIN_TOKEN")
      yield* Commands.streams
      const env = { SUMMONER_ADMIN_TOKEN: Admin.TOKEN }
      assert.strictEqual((yield* Commands.line(["top", adminPort], { cwd: process.cwd(), env })).code, 0)
      assert.strictEqual((yield* Commands.line(["top", "ftp://localhost"], { cwd: process.cwd() })).code, 1)
    })
  )

  it.live("shows no control character of what answers wrongly", () =>
    Effect.gen(function* () {
      const answer = { "content-type": "text/event-stream" }
      const stranger = createServer((_, response) =>
        response.writeHead(200, answer).end("event: stats\ndata: \u001b[31mred\n\n")
      )
      const port = String(yield* HostServer.listen(stranger))
      const { code, stderr } = yield* Commands.line(["top", port], { cwd: process.cwd() })
      assert.strictEqual(code, 2)
      assert.match(stderr, /^error: no answer from http:\/\/127\.0\.0\.1:\d+: .*\\x1b\[31m.*\n$/)
    })
  )

  it.effect("does not wait for ever for what never answers", () =>
    Effect.gen(function* () {
      const server = yield* FakeServer.fakeServer
      const ended = yield* Effect.forkChild(Commands.run(command, [server.port], { cwd: process.cwd() }))
      yield* server.accepted
      yield* TestClock.adjust("9999 millis")
      assert.isUndefined(ended.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      const { error } = yield* Fiber.join(ended)
      assert.strictEqual(error, `no answer from http://127.0.0.1:${server.port}: silent for 10 seconds`)
    })
  )
})

describe.skipIf(ConnectCli.noTerminal !== undefined)("a hangup", () => {
  const started = Effect.fnUntraced(function* (name: string) {
    const server = yield* Admin.start()
    const port = name === "top" ? new URL(server.url).port : `:${server.port}`
    const screen = yield* ConnectCli.startOnTerminal([port], { name })
    yield* screen.shows(name === "top" ? /\nClients {13}0 / : /connected to [^]*\n>/)
    return { screen, pid: yield* screen.pid }
  })

  it.live.each([
    ["connect", "\u001b[1G\u001b[0J"],
    ["top", "\u001b[?25h\u001b[?1049l"]
  ])("ends %s in order, and restores the terminal", ([name, last]) =>
    Effect.gen(function* () {
      const { pid, screen } = yield* started(name!)
      // Twice, unless the first has ended it already.
      spawnSync("kill", ["-HUP", `${pid}`, `${pid}`])
      assert.strictEqual(yield* screen.exit, 0)
      assert.isTrue(screen.output().endsWith(last!), JSON.stringify(screen.output().slice(-50)))
    })
  )

  it.live.each(["connect", "top"])("of a terminal that is closed ends %s", (name) =>
    Effect.gen(function* () {
      const { pid, screen } = yield* started(name)
      screen.process.kill("SIGKILL")
      while (existsSync(`/proc/${pid}`)) yield* Effect.sleep("20 millis")
    })
  )
})

describe.skipIf(ConnectCli.noTerminal !== undefined)(
  `top on a terminal${ConnectCli.noTerminal === undefined ? "" : ` (skipped: ${ConnectCli.noTerminal})`}`,
  () => {
    it.live("shows who comes and goes, that the server has gone, and leaves at q", () =>
      Effect.gen(function* () {
        const server = yield* Admin.start()
        const { port } = new URL(server.url)
        const screen = yield* ConnectCli.startOnTerminal([port], { name: "top" })
        yield* screen.shows(/\nClients {13}0 /)
        const client = yield* TcpClient.connect(server.port)
        yield* screen.shows(
          new RegExp(`\nClients {13}1 [^]*\n${client.address} +active[^]*${client.address} {2}connected`)
        )
        client.socket.end()
        yield* screen.shows(/\nClients {13}0 [^]*left: closed by the client/)
        yield* server.stop
        yield* screen.shows(/\n! no answer from http:\/\/127\.0\.0\.1:\d+: /)
        yield* screen.type("q")
        assert.strictEqual(yield* screen.exit, 0)
        assert.isTrue(screen.output().trimEnd().endsWith("\u001b[?25h\u001b[?1049l"))
      })
    )
  }
)
