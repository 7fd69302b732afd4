import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import * as Net from "node:net"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import * as Tls from "node:tls"
import * as NatsServer from "../bus/NatsServer.ts"
import { SOAK } from "../faults/form.ts"
import * as Certificates from "../support/Certificates.ts"
import * as Cli from "../support/Cli.ts"
import * as Directory from "../support/Directory.ts"
import * as TcpClient from "../support/TcpClient.ts"
import * as WebSocketClient from "../support/WebSocketClient.ts"

/** Limits that no test should meet by chance. */
const OPEN = {
  rate_limit_msgs_per_minute: 1_000_000,
  backpressure_policy: { enable_throttle: false, enable_flow_control: false, enable_disconnect: false }
}

const start = Effect.fnUntraced(function* (
  config: { readonly hyper_parameters?: object; readonly [group: string]: unknown } = {},
  setup: Cli.Options = {}
) {
  const cwd = yield* Directory.make({
    "server.json": { ...config, hyper_parameters: { worker_threads: 2, ...OPEN, ...config.hyper_parameters } }
  })
  const server = yield* Cli.listening([], { cwd, ...setup })
  return { server, cwd }
})

const workersOf = (server: Cli.Running): ReadonlyArray<number> => {
  const { pid } = server.process
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").map(Number)
}

const until = <A>(ask: () => Promise<A> | A, holds: (answer: A) => boolean) =>
  Effect.gen(function* () {
    while (true) {
      const answer = yield* Effect.promise(async () => ask())
      if (holds(answer)) return answer
      yield* Effect.sleep(20)
    }
  }).pipe(
    Effect.timeoutOrElse({ duration: "12 seconds", orElse: () => Effect.die(new Error(`waited too long: ${ask}`)) })
  )

const isAlive = (pid: number): boolean => {
  try {
    // A zombie has ended as well.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))
  } catch {
    return false
  }
}

const hasEnded = (client: TcpClient.TcpClient) => client.socket.readableEnded || client.socket.closed

/** Waits until all hear each other. */
const settle = Effect.fnUntraced(function* (clients: ReadonlyArray<TcpClient.TcpClient>) {
  const [first, ...others] = clients as [TcpClient.TcpClient, ...Array<TcpClient.TcpClient>]
  // A line of the first reaches all only once all are in the room.
  for (const other of others) yield* TcpClient.settled(first, other)
  for (const client of others) {
    client.send("settled\n")
    for (const other of clients) {
      if (other !== client) while ((yield* other.line) !== TcpClient.envelope(client, "settled")) continue
    }
  }
})

/** Clients that connect one after the other, and all hear each other. */
const room = Effect.fnUntraced(function* (port: number, count: number) {
  const clients: Array<TcpClient.TcpClient> = []
  for (let i = 0; i < count; i++) clients.push(yield* TcpClient.connect(port))
  yield* settle(clients)
  return clients
})

/** All speak at once: each line reaches all the others, once and in order. */
const assertAllHearAll = Effect.fnUntraced(function* (clients: ReadonlyArray<TcpClient.TcpClient>) {
  const contents = Array.from({ length: 200 }, (_, i) => `line ${i}`)
  for (const content of contents) for (const client of clients) client.send(`${content}\n`)
  for (const client of clients) {
    const got = yield* client.lines((clients.length - 1) * contents.length)
    for (const sender of clients) {
      const expected = sender === client ? [] : contents.map((content) => TcpClient.envelope(sender, content))
      assert.deepStrictEqual(
        got.filter((line) => line.includes(JSON.stringify(sender.address))),
        expected
      )
    }
  }
})

const admin = Effect.fnUntraced(function* (server: Cli.Running) {
  const [, port] = yield* server.printed(/admin on http:\/\/127\.0\.0\.1:(\d+)/)
  const get = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text()
  const post = async (path: string, body: object = {}) =>
    (
      await fetch(`http://127.0.0.1:${port}${path}`, {
        method: "POST",
        headers: { authorization: "Bearer token", "content-type": "application/json" },
        body: JSON.stringify(body)
      })
    ).status
  const metric = async (name: string) => {
    const line = (await get("/metrics")).split("\n").find((line) => line.startsWith(`${name} `))
    return Number(line?.split(" ")[1])
  }
  return { get, json: async (path: string) => JSON.parse(await get(path)), metric, post }
})

const ADMIN = { admin: { port: 0, token: "token" } }

const warningsOf = (lines: ReadonlyArray<string>) => lines.filter((line) => line.startsWith("Warning: "))

describe.skipIf(process.platform !== "linux" || availableParallelism() < 2)("worker_threads", () => {
  it.live("runs several processes on one port, which are one room", () =>
    Effect.gen(function* () {
      const { server } = yield* start(ADMIN)
      const { metric } = yield* admin(server)
      assert.strictEqual(workersOf(server).length, 2)
      assert.deepStrictEqual(
        yield* Effect.promise(() => Promise.all([metric("summoner_ready"), metric("summoner_bus_up")])),
        [1, 1]
      )
      const clients = yield* room(server.port, 8)
      yield* until(
        () =>
          Promise.all([metric('summoner_worker_clients{worker="1"}'), metric('summoner_worker_clients{worker="2"}')]),
        // In turn, but whoever is still busy with the last one is passed over.
        ([one = 0, two = 0]) => one + two === 8 && Math.min(one, two) >= 2
      )
      yield* assertAllHearAll(clients)
      assert.strictEqual(server.output().match(/listening on/g)?.length, 1)
      const last = yield* TcpClient.connect(server.port)
      yield* server.printed(new RegExp(`${last.address} connected \\(9 clients\\)\n`))
    })
  )

  it.live("goes on when a worker crashes under load, and has another one soon", () =>
    Effect.gen(function* () {
      const { server } = yield* start(ADMIN)
      const { json, metric } = yield* admin(server)
      const clients = yield* room(server.port, 8)
      // Reports come every second.
      yield* until(
        () => metric("summoner_connections_total"),
        (count) => count === 8
      )
      const [victim] = workersOf(server)
      let sent = 0
      const load = yield* Effect.forkScoped(
        Effect.gen(function* () {
          while (true) {
            for (const client of clients) if (!hasEnded(client)) client.send(`${sent}\n`)
            sent++
            yield* Effect.sleep(1)
          }
        })
      )
      yield* Effect.sleep(200)
      process.kill(victim!, "SIGKILL")
      yield* server.printed(/ERROR - worker \d \(process \d+\) has ended: killed by SIGKILL; .* starts in 100 ms\n/)
      yield* until(
        () => clients.filter(hasEnded).length,
        (ended) => ended > 0
      )
      yield* Effect.sleep(200)
      load.interruptUnsafe()
      const survivors = clients.filter((client) => !hasEnded(client))
      for (const client of survivors) client.send("end\n")
      const received = yield* Effect.forEach(survivors, (client) =>
        Effect.gen(function* () {
          const lines: Array<string> = []
          const ends = new Set<string>()
          while (ends.size < survivors.length - 1) {
            const line = yield* client.line
            lines.push(line)
            if (line.endsWith('"end"}')) ends.add(line)
          }
          return { client, lines }
        })
      )
      for (const { client, lines } of received) {
        for (const sender of survivors.filter((other) => other !== client)) {
          const contents = lines
            .filter((line) => line.includes(JSON.stringify(sender.address)))
            .map((line) => (JSON.parse(line) as { readonly content: string }).content)
            .filter((content) => content !== "settled" && content !== "here")
          assert.deepStrictEqual(contents, [...Array.from({ length: sent }, (_, i) => String(i)), "end"])
        }
      }
      yield* until(
        () => metric("summoner_workers"),
        (workers) => workers === 2
      )
      assert.strictEqual(yield* Effect.promise(() => metric("summoner_worker_restarts_total")), 1)
      // Who has the fewest clients gets the next, so that the new one has some.
      const others: Array<TcpClient.TcpClient> = []
      for (let i = 0; i < 4; i++) others.push(yield* TcpClient.connect(server.port))
      yield* until(
        () => metric("summoner_clients"),
        (count) => count === survivors.length + 4
      )
      survivors[0]!.send("news\n")
      for (const other of others) assert.strictEqual(yield* other.line, TcpClient.envelope(survivors[0]!, "news"))
      const stats = yield* until(
        () => json("/api/stats"),
        ({ connections }) => connections === 12
      )
      // What the one that has crashed had done still counts.
      assert.strictEqual(stats.departures.failed, 8 - survivors.length)
    })
  )

  it.live("does not start a worker that crashes again and again at once", () =>
    Effect.gen(function* () {
      const { server } = yield* start()
      const [steady, first] = workersOf(server)
      let victim = first!
      for (const pause of [100, 200, 400, 800]) {
        process.kill(victim, "SIGKILL")
        yield* server.printed(new RegExp(`process ${victim}\\) has ended: .* starts in ${pause} ms\n`))
        const [next] = yield* until(
          () => workersOf(server).filter((pid) => pid !== steady && pid !== victim && isAlive(pid)),
          ({ length }) => length === 1
        )
        victim = next!
      }
      // The one beside it has noticed nothing.
      assert.include(workersOf(server), steady!)
      assert.isTrue(isAlive(steady!))
    })
  )

  it.live("tells all clients when it is ended, and leaves nothing behind", () =>
    Effect.gen(function* () {
      const tmp = yield* Directory.make()
      const { server } = yield* start({}, { env: { TMPDIR: tmp } })
      const clients = yield* room(server.port, 4)
      const workers = workersOf(server)
      server.process.kill("SIGTERM")
      for (const client of clients) {
        assert.deepStrictEqual(warningsOf(yield* client.rest), ["Warning: Server is shutting down."])
      }
      assert.deepStrictEqual(yield* server.exit, { code: 0, signal: null })
      assert.isFalse(workers.some(isAlive))
      assert.match(server.output(), /shutting down, clients connected: 4\n/)
      assert.match(server.output(), /shutdown complete\n$/)
      assert.deepStrictEqual(
        readdirSync(tmp).filter((name) => name.startsWith("summoner-")),
        []
      )
      // The port is free.
      yield* Effect.callback<void>((resume) => {
        const other = Net.createServer().on("error", (error) => resume(Effect.die(error)))
        other.listen(server.port, "127.0.0.1", () => other.close(() => resume(Effect.void)))
      })
    })
  )

  it.live("ends in order when signals reach all of its processes, as Ctrl-C does", () =>
    Effect.gen(function* () {
      const { server } = yield* start()
      const clients = yield* room(server.port, 4)
      for (const pid of [...workersOf(server), server.process.pid!]) process.kill(pid, "SIGINT")
      for (const client of clients) {
        assert.deepStrictEqual(warningsOf(yield* client.rest), ["Warning: Server is shutting down."])
      }
      assert.deepStrictEqual(yield* server.exit, { code: 0, signal: null })
      assert.notMatch(server.output(), /has ended/)
    })
  )

  it.live("ends its workers in order when the process that started them is killed", () =>
    Effect.gen(function* () {
      const { server } = yield* start()
      const clients = yield* room(server.port, 4)
      const workers = workersOf(server)
      server.process.kill("SIGKILL")
      for (const client of clients) {
        assert.deepStrictEqual(warningsOf(yield* client.rest), ["Warning: Server is shutting down."])
      }
      yield* until(
        () => workers.some(isAlive),
        (some) => !some
      )
    })
  )

  it.live("takes over a new configuration everywhere, and says so once", () =>
    Effect.gen(function* () {
      const { cwd, server } = yield* start()
      const clients = yield* room(server.port, 4)
      const path = join(cwd, "server.json")
      writeFileSync(path, JSON.stringify({ hyper_parameters: { worker_threads: 2, rate_limit_msgs_per_minute: 1 } }))
      // As the end of a terminal does.
      for (const pid of [...workersOf(server), server.process.pid!]) process.kill(pid, "SIGHUP")
      yield* server.printed(/configuration: hyper_parameters\.rate_limit_msgs_per_minute: 1000000 -> 1\n/)
      for (const client of clients) {
        let line = Option.none<string>()
        while (!Option.exists(line, (line) => line.startsWith("Warning: You are sending"))) {
          client.send("too many\n")
          line = yield* Effect.timeoutOption(client.line, 200)
        }
      }
      assert.strictEqual(server.output().match(/rate_limit_msgs_per_minute: 1000000/g)?.length, 1)
      assert.notMatch(server.output(), /has ended/)
      // One that is started later has it, too.
      process.kill(workersOf(server)[0]!, "SIGKILL")
      yield* until(
        () => clients.filter(hasEnded).length,
        (ended) => ended > 0
      )
      yield* until(
        () => workersOf(server).length,
        (count) => count === 2
      )
      writeFileSync(path, "{")
      server.process.kill("SIGHUP")
      yield* server.printed(/not reloaded: .*line 1, column 2/)
      assert.strictEqual(server.output().match(/not reloaded: .*line 1, column 2/g)?.length, 1)
    })
  )

  it.live("is one server to operators", () =>
    Effect.gen(function* () {
      const { server } = yield* start(ADMIN)
      const { get, json, post } = yield* admin(server)
      const clients = yield* room(server.port, 6)
      assert.strictEqual(yield* Effect.promise(() => get("/readyz")), "ready\n")
      const listed = yield* Effect.promise(() => json("/api/clients"))
      assert.sameMembers(
        listed.clients.map(({ address }: { readonly address: string }) => address),
        clients.map(({ address }) => address)
      )
      const settled = yield* until(
        () => json("/api/stats"),
        ({ clients }) => clients === 6
      )
      assert.strictEqual(settled.connections, 6)
      assert.strictEqual(settled.lines_relayed, settled.lines_in)
      // Neighbours are with different workers.
      for (const client of clients.slice(0, 2)) {
        const notice = "Warning: out"
        assert.strictEqual(
          yield* Effect.promise(() => post("/api/disconnect", { address: client.address, notice })),
          200
        )
        assert.deepStrictEqual(warningsOf(yield* client.rest), [notice])
      }
      assert.strictEqual(yield* Effect.promise(() => post("/api/disconnect", { address: "127.0.0.1:1" })), 404)
      assert.strictEqual(yield* Effect.promise(() => post("/api/quarantine", { key: "nobody" })), 422)
      assert.strictEqual(yield* Effect.promise(() => post("/api/quarantine", { key: "127.0.0.1" })), 200)
      const refused = (pattern: RegExp) =>
        until(
          async () => {
            const seen = await Promise.all([firstLine(server.port), firstLine(server.port)])
            return seen.every((line) => pattern.test(line))
          },
          (all) => all
        ).pipe(Effect.timeout("1 second"))
      yield* refused(/^Warning: .*quarantine/i)
      const { entries } = yield* Effect.promise(() => json("/api/quarantine"))
      assert.deepStrictEqual(
        entries.map(({ key }: { readonly key: string }) => key),
        ["127.0.0.1"]
      )
      assert.strictEqual(yield* Effect.promise(() => post("/api/lift", { key: "127.0.0.1" })), 200)
      assert.strictEqual(yield* Effect.promise(() => post("/api/drain")), 200)
      assert.strictEqual(yield* Effect.promise(() => get("/readyz")), "draining\n")
      yield* refused(/^Warning: Server is shutting down/)
      yield* server.printed(/admin 127\.0\.0\.1: drain/)
      assert.strictEqual(server.output().match(/draining: no new clients/g)?.length, 1)
      assert.strictEqual(yield* Effect.promise(() => post("/api/undrain")), 200)
      yield* TcpClient.settled(yield* TcpClient.connect(server.port), clients[5]!)
    })
  )

  it.live("streams what happens at all workers", () =>
    Effect.gen(function* () {
      const { server } = yield* start(ADMIN)
      const [, port] = yield* server.printed(/admin on http:\/\/127\.0\.0\.1:(\d+)/)
      const signal = yield* Effect.abortSignal
      let text = ""
      const response = yield* Effect.promise(() => fetch(`http://127.0.0.1:${port}/api/events`, { signal }))
      void (async () => {
        for await (const chunk of response.body!) text += Buffer.from(chunk).toString()
      })().catch(() => {})
      yield* until(
        () => text,
        (text) => text.includes("event: stats")
      )
      const clients = yield* room(server.port, 4)
      yield* until(
        () => text,
        (text) => clients.every(({ address }) => text.includes(`"type":"connected"`) && text.includes(address))
      )
    })
  )

  it.live("holds max_clients over all workers", () =>
    Effect.gen(function* () {
      const { server } = yield* start({ hyper_parameters: { max_clients: 3 } })
      const clients = yield* room(server.port, 3)
      for (let i = 0; i < 4; i++) assert.match(yield* Effect.promise(() => firstLine(server.port)), /^Warning: .*full/)
      clients[0]!.socket.destroy()
      yield* server.printed(/disconnected: .* \(2 clients\)/)
      yield* TcpClient.settled(yield* TcpClient.connect(server.port), clients[1]!)
    })
  )

  it.live("loses nobody who connects while a worker crashes, again and again", () =>
    Effect.gen(function* () {
      const { server } = yield* start(ADMIN)
      const { metric } = yield* admin(server)
      const clients: Array<TcpClient.TcpClient> = []
      for (let i = 0; i < 8; i++) {
        yield* Effect.gen(function* () {
          clients[i] = yield* TcpClient.connect(server.port)
          const { socket } = clients[i]!
          yield* Effect.callback<void>(
            (resume) => void socket.once("end", () => resume(Effect.void)).once("close", () => resume(Effect.void))
          )
        }).pipe(Effect.forever, Effect.forkScoped({ startImmediately: true }))
      }
      const isComplete = () => clients.length === 8 && clients.every((client) => !hasEnded(client))
      for (let round = 0; round < 3; round++) {
        yield* until(
          async () => isComplete() && (await metric("summoner_workers")) === 2,
          (isSo) => isSo
        )
        yield* settle(clients)
        const victim = workersOf(server)[0]!
        process.kill(victim, "SIGKILL")
        yield* server.printed(new RegExp(`process ${victim}\\) has ended: killed by SIGKILL`))
      }
      yield* until(isComplete, (isSo) => isSo)
      yield* settle(clients)
      yield* until(
        () => metric("summoner_clients"),
        (count) => count === 8
      )
    })
  )

  it.live("finds a worker again that was stuck when another one crashed", () =>
    Effect.gen(function* () {
      const { server } = yield* start(ADMIN)
      const { get } = yield* admin(server)
      const [stuck, victim] = workersOf(server)
      process.kill(stuck!, "SIGSTOP")
      yield* Effect.addFinalizer(() => Effect.sync(() => isAlive(stuck!) && process.kill(stuck!, "SIGCONT")))
      process.kill(victim!, "SIGKILL")
      // The new one does not reach it, and does not say that all is well.
      yield* until(
        () => get("/readyz"),
        (text) => text.includes("alone")
      )
      process.kill(stuck!, "SIGCONT")
      yield* until(
        () => get("/readyz"),
        (text) => text.includes("ready")
      )
      yield* room(server.port, 6)
    })
  )

  it.live("waits for a reader at another worker as for one of its own", () =>
    Effect.gen(function* () {
      // Both are on one thread with the test, which may be busy for longer than the usual grace.
      const hyper_parameters = { worker_threads: 2, ...OPEN, slow_consumer: { stall_grace_ms: 10_000 } }
      const { cwd, server } = yield* start({ hyper_parameters })
      // Nor has it the time to read the log.
      writeFileSync(join(cwd, "server.json"), JSON.stringify({ logger: { log_level: "WARNING" }, hyper_parameters }))
      server.process.kill("SIGHUP")
      yield* server.printed(/log_level: "DEBUG" -> "WARNING"\n/)
      const sender = yield* TcpClient.connect(server.port)
      const reader = yield* TcpClient.connect(server.port)
      yield* TcpClient.settled(sender, reader)
      const line = Buffer.from(`${"x".repeat(999)}\n`)
      // More than the hard limit.
      const total = 30_000
      // Reads 30 MB a second, and is sent as much as its connection takes.
      let bytes = 0
      let since = performance.now()
      reader.socket.removeAllListeners("data")
      reader.socket.on("data", (text: string) => {
        bytes += text.length
        reader.socket.pause()
        setTimeout(() => reader.socket.resume(), Math.max(0, bytes / 30_000 - (performance.now() - since)))
      })
      since = performance.now()
      for (let i = 0; i < total; i += 500) {
        if (sender.socket.write(Buffer.concat(Array.from({ length: 500 }, () => line)))) continue
        yield* Effect.callback<void>((resume) => void sender.socket.once("drain", () => resume(Effect.void)))
      }
      const expected = total * (TcpClient.envelope(sender, "x".repeat(999)).length + 1)
      yield* until(
        () => bytes,
        (bytes) => bytes === expected || hasEnded(reader)
      )
      assert.strictEqual(bytes, expected)
    })
  )

  it.live("ends in order while a worker is being started again, and nobody comes in any more", () =>
    Effect.gen(function* () {
      const { server } = yield* start()
      const victim = workersOf(server)[0]!
      process.kill(victim, "SIGKILL")
      yield* until(
        () => workersOf(server),
        (pids) => pids.length === 2 && !pids.includes(victim)
      )
      server.process.kill("SIGTERM")
      assert.deepStrictEqual(yield* server.exit, { code: 0, signal: null })
      assert.notMatch(server.output(), /did not end/)
    })
  )

  it.live("is drained also by a worker that is being started again, and its counters do not go back", () =>
    Effect.gen(function* () {
      const { server } = yield* start(ADMIN)
      const { json, metric, post } = yield* admin(server)
      yield* assertAllHearAll(yield* room(server.port, 4))
      const sent = () => metric('summoner_bus_batches_total{direction="sent"}')
      const before = yield* until(sent, (batches) => batches > 0)
      const victim = workersOf(server)[0]!
      process.kill(victim, "SIGKILL")
      yield* server.printed(/has ended: killed by SIGKILL/)
      assert.isAtLeast(yield* Effect.promise(sent), before)
      assert.strictEqual(yield* Effect.promise(() => post("/api/drain")), 200)
      yield* until(
        () => metric("summoner_workers"),
        (workers) => workers === 2
      )
      for (let i = 0; i < 6; i++) {
        assert.match(yield* Effect.promise(() => firstLine(server.port)), /^Warning: Server is shutting down/)
      }
      assert.strictEqual((yield* Effect.promise(() => json("/api/stats"))).state, "draining")
    })
  )

  it.live("takes a SIGHUP during its start for a reload", () =>
    Effect.gen(function* () {
      const cwd = yield* Directory.make({ "server.json": { port: 0, hyper_parameters: { worker_threads: 2 } } })
      const server = yield* Cli.start([], { cwd })
      yield* server.printed(/configuration: server\.json\n/)
      server.process.kill("SIGHUP")
      yield* server.printed(/listening on/)
      yield* server.printed(/configuration: no key has changed\n/)
    })
  )

  it.live("holds websocket.max_clients over all workers", () =>
    Effect.gen(function* () {
      const { server } = yield* start({ websocket: { port: 0, max_clients: 2 } })
      const [url] = yield* server.printed(/ws:\/\/\S+/)
      const first = yield* WebSocketClient.connect(url)
      const second = yield* WebSocketClient.connect(url)
      yield* server.printed(new RegExp(`${second.address} \\(websocket\\) connected`))
      for (let i = 0; i < 2; i++) {
        const refused = yield* WebSocketClient.connect(url)
        assert.match(yield* refused.line, /^Warning: Server is full/)
      }
      first.send("hello")
      assert.match(yield* second.line, /"hello"/)
      // Others are not concerned.
      yield* room(server.port, 2)
    })
  )

  it.live("goes on while one of its processes is stuck, and together with it again", () =>
    Effect.gen(function* () {
      const { server } = yield* start()
      const [stuck] = workersOf(server)
      const clients = yield* room(server.port, 6)
      process.kill(stuck!, "SIGSTOP")
      yield* Effect.addFinalizer(() => Effect.sync(() => isAlive(stuck!) && process.kill(stuck!, "SIGCONT")))
      // Those that hear each other are with the other one.
      const heard = yield* Effect.forEach(
        clients,
        (client) =>
          Effect.gen(function* () {
            client.send("who is there\n")
            return yield* Effect.timeoutOption(client.line, 500)
          }),
        { concurrency: "unbounded" }
      )
      const lively = clients.filter((_, i) => Option.isSome(heard[i]!))
      const others = clients.filter((_, i) => Option.isNone(heard[i]!))
      assert.isAtLeast(lively.length, 2)
      assert.isAtLeast(others.length, 1)
      const [sender, witness] = lively as [TcpClient.TcpClient, TcpClient.TcpClient]
      // More than the soft limit: what waits for the stuck one holds nobody up for longer than the grace.
      for (let i = 0; i < 40; i++) sender.send(`${i} ${"x".repeat(60_000)}\n`)
      sender.send("end\n")
      while ((yield* witness.line) !== TcpClient.envelope(sender, "end")) continue
      process.kill(stuck!, "SIGCONT")
      while ((yield* others[0]!.line) !== TcpClient.envelope(sender, "end")) continue
      assert.notMatch(server.output(), /dropped|lost/)
    })
  )

  it.live.skipIf(!SOAK)(
    `ends a process that stays stuck, and has another one soon${SOAK ? "" : " (skipped: with SOAK=1)"}`,
    () =>
      Effect.gen(function* () {
        const { server } = yield* start()
        const [stuck] = workersOf(server)
        const clients = yield* room(server.port, 6)
        process.kill(stuck!, "SIGSTOP")
        yield* Effect.sleep("30 seconds")
        yield* server.printed(new RegExp(`process ${stuck}\\) has not been heard of for 30 s, and is killed\n`))
        yield* until(
          () => clients.filter(hasEnded).length,
          (ended) => ended > 0
        )
        yield* settle([...clients.filter((client) => !hasEnded(client)), yield* TcpClient.connect(server.port)])
      }),
    60_000
  )

  it.live.skipIf(!Certificates.hasOpenssl)(`has one TLS identity${Certificates.withOpenssl}`, () =>
    Effect.gen(function* () {
      const certificates = yield* Certificates.make
      certificates.write(
        "server.json",
        JSON.stringify({
          port: 0,
          ...ADMIN,
          tls: { cert: "server.pem", key: "server-key.pem" },
          hyper_parameters: { worker_threads: 2, ...OPEN }
        })
      )
      const server = yield* Cli.listening([], { cwd: certificates.directory })
      const { metric } = yield* admin(server)
      const days = async () => {
        const expiry = await metric("summoner_tls_certificate_expiry_time_seconds")
        return Math.round((expiry - Date.now() / 1000) / 86_400)
      }
      assert.strictEqual(yield* Effect.promise(days), 90)

      certificates.signed("server", "/CN=renewed", "server.ext", 20)
      server.process.kill("SIGHUP")
      yield* server.printed(/TLS as CN=renewed, until/)
      yield* server.printed(/server\.pem expires in \d+ days/)
      assert.strictEqual(yield* Effect.promise(days), 20)
      // Workers follow.
      for (let i = 0; i < 2; i++) {
        yield* until(
          () => subjectAt(server.port),
          (subject) => subject === "renewed"
        )
      }
      certificates.write("server.pem", "nonsense")
      server.process.kill("SIGHUP")
      yield* server.printed(/ERROR - TLS goes on as it was: tls\.cert: .* which is not PEM\n/)
      assert.strictEqual(yield* Effect.promise(() => subjectAt(server.port)), "renewed")
      for (const once of [/TLS as CN=localhost/g, /TLS as CN=renewed/g, /expires in/g, /as it was/g]) {
        assert.strictEqual(server.output().match(once)?.length, 1, String(once))
      }

      const other = yield* Cli.start([], { cwd: certificates.directory })
      assert.strictEqual((yield* other.exit).code, 1)
      assert.match(
        other.output(),
        /\nerror: tls\.cert: expected a certificate \(PEM\), found server\.pem, which is not PEM\n$/
      )
    })
  )

  it.live.skipIf(!NatsServer.isInstalled)(
    `is one room with the processes of another machine, by NATS${NatsServer.isInstalled ? "" : " (skipped: this machine has no nats-server)"}`,
    () =>
      Effect.gen(function* () {
        const nats = yield* NatsServer.make(yield* NatsServer.freePort)
        yield* nats.start
        const servers = yield* Effect.forEach(["a", "b"], (name) =>
          Effect.map(start({ ...ADMIN, cluster: { nats: { servers: [nats.url], name } } }), ({ server }) => server)
        )
        for (const server of servers) {
          const { json } = yield* admin(server)
          const { cluster } = yield* until(
            () => json("/api/stats"),
            ({ cluster }) => cluster.peers.length === 3
          )
          assert.strictEqual(cluster.state, "up")
        }
        const clients = yield* Effect.forEach([0, 1, 0, 1, 0, 1, 0, 1], (i) => TcpClient.connect(servers[i]!.port))
        yield* settle(clients)
        yield* assertAllHearAll(clients)

        process.kill(workersOf(servers[0]!)[0]!, "SIGKILL")
        yield* until(
          () => clients.filter(hasEnded).length,
          (ended) => ended > 0
        )
        const left = clients.filter((client) => !hasEnded(client))
        assert.isAtLeast(left.length, 5)
        left.push(yield* TcpClient.connect(servers[0]!.port))
        yield* settle(left)
        yield* assertAllHearAll(left)
        for (const server of servers) {
          server.process.kill("SIGTERM")
          assert.deepStrictEqual(yield* server.exit, { code: 0, signal: null })
        }
      })
  )

  it.live("writes one log, each line whole", () =>
    Effect.gen(function* () {
      const { cwd, server } = yield* start({
        logger: { enable_console_log: true, enable_file_log: true, enable_json_log: true }
      })
      const clients = yield* room(server.port, 4)
      const count = 300
      for (let i = 0; i < count; i++) for (const client of clients) client.send(`${i} ${"x".repeat(100)}\n`)
      for (const client of clients) yield* client.lines(3 * count)
      server.process.kill("SIGTERM")
      yield* server.exit
      const lines = ["MyServer.log.3", "MyServer.log.2", "MyServer.log.1", "MyServer.log"].flatMap((name) => {
        const path = join(cwd, name)
        return existsSync(path) ? readFileSync(path, "utf8").trimEnd().split("\n") : []
      })
      const messages = lines.map((line) => (JSON.parse(line) as { readonly message: unknown }).message)
      for (const { address } of clients) {
        const numbers = messages.flatMap((message) => {
          const { content = "", remote_addr } = message as { readonly remote_addr?: string; readonly content?: string }
          return remote_addr === address && /^\d+ x/.test(content) ? [Number.parseInt(content, 10)] : []
        })
        assert.deepStrictEqual(
          numbers,
          Array.from({ length: count }, (_, i) => i)
        )
      }
    })
  )

  it.live("does not start on a port that is taken, and says why once", () =>
    Effect.gen(function* () {
      const { cwd, server } = yield* start()
      const other = yield* Cli.start(["--port", String(server.port)], { cwd })
      assert.deepStrictEqual(yield* other.exit, { code: 1, signal: null })
      const errors = other.output().match(/cannot listen on .*\n/g)
      assert.deepStrictEqual(errors, [
        `cannot listen on 127.0.0.1:${server.port}: the port is already in use (EADDRINUSE)\n`
      ])
      assert.notMatch(other.output(), /\n\s+at /)
    })
  )

  it.live("runs no more processes than there are cores, and says so", () =>
    Effect.gen(function* () {
      const cores = availableParallelism()
      const { cwd, server } = yield* start({ hyper_parameters: { worker_threads: cores + 2 } })
      const remark = `worker_threads: ${cores + 2} configured, ${cores} run: this machine has ${cores} cores`
      assert.include(server.output(), remark)
      assert.strictEqual(workersOf(server).length, cores)
      const check = yield* Cli.start(["check"], { cwd })
      yield* check.exit
      assert.include(check.output(), remark)
    })
  )

  it.live("runs on the Node.js of the system as well", () =>
    Effect.gen(function* () {
      const { server } = yield* start({}, { node: Cli.SYSTEM_NODE })
      yield* room(server.port, 4)
      server.process.kill("SIGTERM")
      assert.deepStrictEqual(yield* server.exit, { code: 0, signal: null })
    })
  )
})

/** Whose certificate a new client is shown. */
const subjectAt = (port: number) =>
  new Promise<unknown>((resolve, reject) => {
    const socket = Tls.connect({ port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().subject.CN)
      socket.destroy()
    }).on("error", reject)
  })

/** What a client gets that is turned away. */
const firstLine = (port: number) =>
  new Promise<string>((resolve) => {
    const socket = Net.connect(port, "127.0.0.1")
    socket.setTimeout(300, () => socket.destroy())
    let text = ""
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()))
    socket.on("error", () => {}).on("close", () => resolve(text))
  })
