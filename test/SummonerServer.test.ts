import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createServer } from "node:http"
import { fileURLToPath } from "node:url"
import * as AdminMount from "../src/admin/AdminMount.ts"
import * as MessageFilter from "../src/session/MessageFilter.ts"
import type { PlainOpen } from "../src/session/MessageFilter.ts"
import type { RunOptions, ServerEvent } from "../src/SummonerServer.ts"
import { SummonerServer } from "../src/SummonerServer.ts"
import * as WebSocketMount from "../src/transport/websocket/WebSocketMount.ts"
import * as Cli from "./support/Cli.ts"
import * as Directory from "./support/Directory.ts"
import * as HostServer from "./support/HostServer.ts"
import * as Ports from "./support/Ports.ts"
import { until } from "./support/Server.ts"
import * as TcpClient from "./support/TcpClient.ts"
import { threadCounts } from "./support/threadCounts.ts"
import { OPEN, settle } from "./support/Threads.ts"

const quiet = { logger: { enable_console_log: false } }

const QUIET = { configDict: quiet, port: 0 }

/** A server that is running; it is shut down with the scope. */
const start = (options: RunOptions = QUIET) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const server = new SummonerServer()
      await server.start(options)
      return server
    }),
    (server) => Effect.promise(() => server.shutdown())
  )

const rejection = (promise: Promise<unknown>) =>
  Effect.promise(() =>
    promise.then(
      () => assert.fail("it was not rejected"),
      (error: Error) => error
    )
  )

describe("SummonerServer", () => {
  it.live("starts, relays and shuts down, once and again", () =>
    Effect.gen(function* () {
      const server = new SummonerServer("a name")
      assert.throws(() => server.address, 'the server "a name" is not running')
      for (let i = 0; i < 2; i++) {
        yield* Effect.promise(() => server.start(QUIET))
        assert.strictEqual(server.address.host, "127.0.0.1")
        const a = yield* TcpClient.connect(server.address.port)
        const b = yield* TcpClient.connect(server.address.port)
        yield* TcpClient.settled(a, b)
        yield* Effect.promise(() => Promise.all([server.shutdown(), server.shutdown()]))
        assert.deepStrictEqual(yield* a.rest, ["Warning: Server is shutting down."])
        assert.throws(() => server.clients, "not running")
      }
      yield* Effect.promise(() => server.shutdown())
    })
  )

  it.live.skipIf(!threadCounts.includes(2))(
    "is one room in two threads, and tells the clients of both when it ends",
    () =>
      Effect.gen(function* () {
        const configDict = { ...quiet, hyper_parameters: { worker_threads: 2, ...OPEN } }
        const server = new SummonerServer()
        yield* Effect.promise(() => server.start({ configDict, port: 0 }))
        // Most likely of both threads.
        const clients = yield* Effect.forEach(Array.from({ length: 8 }), () => TcpClient.connect(server.address.port))
        yield* settle(clients)
        assert.lengthOf(server.clients, clients.length)
        yield* Effect.promise(() => server.shutdown())
        for (const client of clients) {
          assert.strictEqual((yield* client.rest).at(-1), "Warning: Server is shutting down.")
        }
      })
  )

  it.live("installs no signal handlers by start, and does not start twice", () =>
    Effect.gen(function* () {
      const before = process.listenerCount("SIGINT")
      const server = yield* start()
      assert.strictEqual(process.listenerCount("SIGINT"), before)
      const error = yield* rejection(server.start(QUIET))
      assert.strictEqual(error.message, 'the server "MyServer" is running already')
      assert.isAbove(server.address.port, 0)
    })
  )

  it.live("run settles when it is shut down, and takes its signal handlers away", () =>
    Effect.gen(function* () {
      const before = process.listenerCount("SIGTERM")
      const server = new SummonerServer()
      const done = server.run(QUIET)
      assert.strictEqual(process.listenerCount("SIGTERM"), before + 1)
      // While it is still starting: the shutdown waits for that.
      yield* Effect.promise(() => server.shutdown())
      yield* Effect.promise(() => done)
      assert.strictEqual(process.listenerCount("SIGTERM"), before)
    })
  )

  it.live("run ends on SIGTERM, in order, in a process of its own", () =>
    Effect.gen(function* () {
      const program = fileURLToPath(new URL("support/programs/Run.ts", import.meta.url))
      const cwd = yield* Directory.make()
      const running = yield* Cli.start([], { program, cwd })
      const [, port] = yield* running.printed(/fixture - INFO - listening on \S*:(\d+)/)
      const client = yield* TcpClient.connect(Number(port))
      yield* running.printed(/connected/)
      running.process.kill("SIGTERM")
      assert.deepStrictEqual(yield* client.rest, ["Warning: Server is shutting down."])
      client.socket.end()
      assert.deepStrictEqual(yield* running.exit, { code: 0, signal: null })
      assert.match(running.output(), /shutdown complete\nended 0\n$/)
    })
  )

  it.live("run ends the process at once on a second signal", () =>
    Effect.gen(function* () {
      const program = fileURLToPath(new URL("support/programs/Run.ts", import.meta.url))
      const cwd = yield* Directory.make()
      const running = yield* Cli.start([], { program, cwd })
      const [, port] = yield* running.printed(/listening on \S*:(\d+)/)
      const [sender, witness, stuck] = yield* Effect.forEach([1, 2, 3], () => TcpClient.connect(Number(port)))
      yield* TcpClient.settled(sender!, witness!)
      yield* TcpClient.settled(sender!, stuck!)
      // Lines until the kernel holds no more of them for a client that does not read.
      stuck!.socket.pause()
      const line = `${JSON.stringify({ _payload: "x".repeat(60_000) })}\n`
      const more = Effect.andThen(
        Effect.callback<void>((resume) => void sender!.socket.write(line, () => resume(Effect.void))),
        witness!.line
      )
      yield* Effect.raceFirst(running.printed(/slow/), Effect.forever(more))
      running.process.kill("SIGINT")
      assert.strictEqual((yield* witness!.rest).at(-1), "Warning: Server is shutting down.")
      running.process.kill("SIGTERM")
      assert.deepStrictEqual(yield* running.exit, { code: 143, signal: null })
    })
  )

  it.live("ends with the block that uses it", () =>
    Effect.promise(async () => {
      const port = await Effect.runPromise(Ports.lasting)
      {
        await using server = new SummonerServer()
        await server.start({ configDict: { ...quiet, port } })
      }
      await using second = new SummonerServer()
      await second.start({ configDict: { ...quiet, port } })
      assert.strictEqual(second.address.port, port)
    })
  )

  describe("the configuration of SummonerServer", () => {
    it.live.each([
      ["Rust: the configuration wins", { version: "rust", host: "127.0.0.2", port: 0 }, "127.0.0.1", 1, "127.0.0.2"],
      [
        "Rust: an older place counts",
        { hyper_parameters: { host: "127.0.0.2", port: 0 } },
        "127.0.0.1",
        1,
        "127.0.0.2"
      ],
      ["Rust: arguments where it has none", { host: null }, "127.0.0.3", 0, "127.0.0.3"],
      ["Python: the arguments win", { version: "python", host: "127.0.0.2", port: 1 }, "127.0.0.3", 0, "127.0.0.3"],
      ["Python: so do their defaults", { version: "python", host: "127.0.0.2", port: 1 }, undefined, 0, "127.0.0.1"]
    ] as const)("%s", ([, configDict, host, port, expected]) =>
      Effect.gen(function* () {
        const server = yield* start({ configDict: { ...quiet, ...configDict }, host, port })
        assert.strictEqual(server.address.host, expected)
      })
    )

    it.live("is read from a file, unless there is a configDict", () =>
      Effect.gen(function* () {
        const directory = yield* Directory.make({
          "server.json": { ...quiet, host: "127.0.0.4", port: 0 },
          "broken.json": "{"
        })
        const fromFile = yield* start({ configPath: `${directory}/server.json` })
        assert.strictEqual(fromFile.address.host, "127.0.0.4")
        yield* start({ ...QUIET, configPath: `${directory}/broken.json` })
      })
    )

    it.live.each([null, [], "server.json", 7, new Map(), new Date(0)])(
      "cannot be a configDict that is %j",
      (configDict) =>
        Effect.gen(function* () {
          const error = yield* rejection(new SummonerServer().start({ configDict: configDict as never }))
          assert.instanceOf(error, TypeError)
          assert.match(error.message, /^configDict must be an object, as in a server\.json; found \S+/)
        })
    )

    it.live("that is wrong is an ordinary error that says everything, with its cause", () =>
      Effect.gen(function* () {
        const directory = yield* Directory.make({ "server.json": "{\n  nonsense" })
        const cases: ReadonlyArray<readonly [RunOptions, RegExp]> = [
          [
            { configDict: { prot: 1, hyper_parameters: { max_clients: "many" } } },
            /^configDict: 2 problems\n.*prot.*mean port[^]*max_clients/
          ],
          [{ configPath: `${directory}/server.json` }, /server\.json: [^]*line 2/],
          [{ configPath: `${directory}/none.json` }, /none\.json/],
          [{ port: 70_000, configDict: quiet }, /^arguments: 1 problem\n {2}port: expected .*, found 70000/],
          [{ host: 7 as never, configDict: quiet }, /^arguments: 1 problem\n {2}host: expected .*, found 7/],
          [
            { port: 9000, configDict: { ...quiet, admin: { port: 9000 } } },
            /^configDict: 1 problem\n {2}admin.port: expected another one than port on the same host, found 9000/
          ]
        ]
        for (const [options, message] of cases) {
          const server = new SummonerServer()
          const error = yield* rejection(server.start(options))
          assert.match(error.message, message)
          assert.strictEqual(error.constructor, Error)
          assert.strictEqual((error.cause as { _tag: string })._tag, "ConfigError")
          // Nothing is left behind.
          yield* Effect.promise(() => server.start(QUIET))
          yield* Effect.promise(() => server.shutdown())
        }
      })
    )

    it.live("compares others with the port that counts", () =>
      Effect.gen(function* () {
        const { port } = (yield* start()).address
        const configDict = { ...quiet, version: "python", port, admin: { port } }
        const error = yield* rejection(new SummonerServer().run({ configDict, port: 0 }))
        assert.match(error.message, /^cannot listen on \S+ \(admin\.port\): the port is already in use/)
      })
    )

    it.live("cannot listen on a port that is taken", () =>
      Effect.gen(function* () {
        const { address } = yield* start()
        const error = yield* rejection(new SummonerServer().run({ configDict: { ...quiet, port: address.port } }))
        assert.strictEqual(
          error.message,
          `cannot listen on 127.0.0.1:${address.port}: the port is already in use (EADDRINUSE)`
        )
        assert.strictEqual((error.cause as { code: string }).code, "EADDRINUSE")
      })
    )
  })

  it.live("tells what happens, in order, until it ends", () =>
    Effect.gen(function* () {
      const server = yield* start()
      const a = yield* TcpClient.connect(server.address.port)
      const seen: Array<ServerEvent> = []
      let onEvent = () => {}
      const event = (type: ServerEvent["type"]) =>
        Effect.callback<ServerEvent>((resume) => {
          onEvent = () => {
            const found = seen.find((event) => event.type === type)
            if (found !== undefined) resume(Effect.succeed(found))
          }
          onEvent()
        })
      const following = (async () => {
        for await (const event of server.events) {
          seen.push(event)
          onEvent()
        }
      })()
      yield* event("connected")
      a.send("hello\n")
      yield* event("message")
      a.socket.destroy()
      yield* event("disconnected")
      yield* Effect.promise(() => server.shutdown())
      yield* Effect.promise(() => following)
      assert.deepStrictEqual(
        seen.map(({ type }) => type),
        ["connected", "message", "disconnected"]
      )
      assert.deepStrictEqual(seen[1], { type: "message", address: a.address, content: "hello", missed: 0 })
    })
  )

  it.live("says which argument is no string, and does nothing", () =>
    Effect.gen(function* () {
      const server = yield* start()
      const client = yield* TcpClient.connect(server.address.port)
      yield* TcpClient.settled(yield* TcpClient.connect(server.address.port), client)
      // Of a program in plain JavaScript.
      const wrong = 5 as never
      for (const [call, argument] of [
        [() => server.broadcast(wrong), "content"],
        [() => server.broadcast("hi", { from: wrong }), "from"],
        [() => server.broadcast("hi", { to: [client.address, wrong] }), "to"],
        [() => server.send(wrong, "hi"), "address"],
        [() => server.send(client.address, wrong), "notice"],
        [() => server.disconnect(wrong), "address"],
        [() => server.disconnect(client.address, { notice: wrong }), "notice"]
      ] as const) {
        const error = yield* rejection(call())
        assert.instanceOf(error, TypeError)
        assert.strictEqual(error.message, `${argument} must be a string; found 5`)
      }
      for (const call of [server.quarantine.add, server.quarantine.lift]) {
        assert.throws(() => call(wrong), TypeError, "key must be a string; found 5")
      }
      yield* Effect.promise(() => server.broadcast("all is well", { from: "host" }))
      assert.strictEqual(yield* client.line, '{"remote_addr":"host","content":"all is well"}')
    })
  )

  it.live("has a plain function decide on clients and lines, and an async one", () =>
    Effect.gen(function* () {
      const messageFilter: PlainOpen = async ({ ip }) => {
        assert.strictEqual(ip, "127.0.0.1")
        return MessageFilter.hold((line) =>
          line === "password" ? MessageFilter.admit("Welcome.") : MessageFilter.relay({ content: line.toUpperCase() })
        )
      }
      const server = yield* start({ ...QUIET, messageFilter })
      const [a, b] = [yield* TcpClient.connect(server.address.port), yield* TcpClient.connect(server.address.port)]
      for (const client of [a, b]) {
        client.send("password\n")
        assert.strictEqual(yield* client.line, "Warning: Welcome.")
      }
      a.send("hello\n")
      assert.strictEqual(yield* b.line, TcpClient.envelope(a, "HELLO"))
      const error = yield* rejection(new SummonerServer().start({ ...QUIET, messageFilter: "secret" as never }))
      assert.instanceOf(error, TypeError)
      assert.strictEqual(error.message, "messageFilter must be a function; found 'secret'")
    })
  )

  it.live("has its admin API and its WebSocket clients on an HTTP server of the program", () =>
    Effect.gen(function* () {
      const adminMount = AdminMount.make("/relay")
      const webSocketMount = WebSocketMount.make()
      const server = yield* start({ ...QUIET, adminMount, webSocketMount })
      const http = createServer((request, response) => {
        if (!adminMount.handle(request, response)) response.end("the page")
      }).on("upgrade", webSocketMount.handleUpgrade)
      const port = yield* HostServer.listen(http)
      const get = (path: string) => Effect.promise(async () => (await fetch(`http://127.0.0.1:${port}${path}`)).text())
      assert.deepStrictEqual([yield* get("/"), yield* get("/relay/healthz")], ["the page", "ok\n"])
      const socket = new WebSocket(`ws://127.0.0.1:${port}/`)
      const heard = new Promise((resolve) => (socket.onmessage = ({ data }) => resolve(data)))
      yield* until(() => server.clients.length === 1)
      yield* Effect.promise(() => server.broadcast("hello", { from: "host" }))
      assert.strictEqual(yield* Effect.promise(() => heard), '{"remote_addr":"host","content":"hello"}')
      socket.close()
      for (const mount of [null, {}]) {
        const error = yield* rejection(new SummonerServer().start({ ...QUIET, adminMount: mount as never }))
        assert.instanceOf(error, TypeError)
        assert.include(error.message, "adminMount must be what make returned; found ")
      }
    })
  )

  it.live("that starts closed has its events followed from the first client on", () =>
    Effect.gen(function* () {
      const server = yield* start({ ...QUIET, startsClosed: true })
      assert.strictEqual(server.state, "starting")
      const a = yield* TcpClient.connect(server.address.port)
      const first = (async () => {
        for await (const event of server.events) return event
        return undefined
      })()
      server.open()
      const event = yield* Effect.promise(() => first)
      assert.deepStrictEqual(event?.type === "connected" && event.client.address, a.address)
    })
  )

  it.live("takes variables of the environment if it is given them, and arguments by the same precedence", () =>
    Effect.gen(function* () {
      const port = yield* Ports.lasting
      const environment = { SUMMONER_PORT: `${port}`, SUMMONER_HYPER_PARAMETERS_QUARANTINE_COOLDOWN_SECS: "0" }
      const configDict = { ...quiet, version: "rust" }
      const server = yield* start({ configDict, environment, port: 0 })
      assert.strictEqual(server.address.port, port)
      assert.throws(() => server.quarantine.add("10.0.0.1"), "quarantine_cooldown_secs is 0")
      const python = yield* start({ configDict: { ...quiet, version: "python" }, environment, port: 0 })
      assert.notStrictEqual(python.address.port, port)
      const error = yield* rejection(new SummonerServer().start({ configDict, environment: { SUMMONER_PROT: "1" } }))
      assert.match(error.message, /SUMMONER_PROT: expected a known variable/)
    })
  )

  it.live("does what the service does", () =>
    Effect.gen(function* () {
      const server = yield* start()
      const a = yield* TcpClient.connect(server.address.port)
      const b = yield* TcpClient.connect(server.address.port)
      yield* TcpClient.settled(a, b)
      yield* Effect.promise(() => server.broadcast("hi", { from: "host" }))
      yield* Effect.promise(() => server.broadcast("you alone", { from: "host", to: b.address }))
      yield* Effect.promise(() => server.send(b.address, "hi"))
      yield* Effect.promise(() => server.disconnect(b.address, { notice: "bye", quarantine: true }))
      assert.deepStrictEqual(yield* b.rest, [
        '{"remote_addr":"host","content":"hi"}',
        '{"remote_addr":"host","content":"you alone"}',
        "Warning: hi",
        "Warning: bye"
      ])
      assert.deepStrictEqual(
        server.clients.map(({ address }) => address),
        [a.address]
      )
      assert.strictEqual(server.stats.connections, 2)
      assert.deepStrictEqual(
        server.quarantine.list().map(({ key }) => key),
        ["127.0.0.1"]
      )
      assert.isTrue(server.quarantine.lift("127.0.0.1"))
      server.quarantine.add("10.0.0.1")
      assert.throws(() => server.quarantine.add("nobody"), '"nobody" cannot be quarantined: expected an IP address')
      assert.match((yield* rejection(server.broadcast("hi", { to: ["nobody"] }))).message, /^no client "nobody"/)
      const error = yield* rejection(server.send("nobody", "hi"))
      assert.match(error.message, /^no client "nobody" is connected/)
    })
  )
})
