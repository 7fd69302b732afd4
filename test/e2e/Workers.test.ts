import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import * as Net from "node:net"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import * as Tls from "node:tls"
import { afterAll, beforeAll } from "vitest"
import * as NatsServer from "../bus/NatsServer.ts"
import { SOAK } from "../faults/form.ts"
import * as Certificates from "../support/Certificates.ts"
import * as Cli from "../support/Cli.ts"
import * as Directory from "../support/Directory.ts"
import { PATIENCE } from "../support/patience.ts"
import * as TcpClient from "../support/TcpClient.ts"
import * as WebSocketClient from "../support/WebSocketClient.ts"

/** Limits that no test should meet by chance. */
const OPEN = {
  rate_limit_msgs_per_minute: 1_000_000,
  backpressure_policy: { enable_throttle: false, enable_flow_control: false, enable_disconnect: false }
}

interface Config {
  readonly hyper_parameters?: object
  readonly [group: string]: unknown
}

const withDefaults = (config: Config): Config => ({
  ...config,
  hyper_parameters: { worker_threads: 2, ...OPEN, ...config.hyper_parameters }
})

const start = Effect.fnUntraced(function* (config: Config = {}, setup: Cli.Options = {}) {
  const cwd = yield* Directory.make({ "server.json": withDefaults(config) })
  const server = yield* Cli.listening([], { cwd, ...setup })
  return { server, cwd }
})

/** A server for the tests of a suite, each of which leaves it as it was, without clients. Starting one takes longer than most tests. */
const shared = (config: Config) => {
  const scope = Scope.makeUnsafe()
  let started: Effect.Success<ReturnType<typeof start>> | undefined
  beforeAll(async () => {
    started = await Effect.runPromise(Scope.provide(start(config), scope))
  })
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  return () => {
    const { cwd, server } = started!
    const write = (text: string) => {
      writeFileSync(join(cwd, "server.json"), text)
      server.process.kill("SIGHUP")
    }
    /** Takes over some other keys, and takes them back when the test is done. */
    const reconfigure = (change: Config, said: RegExp) =>
      Effect.acquireRelease(
        Effect.suspend(() => {
          const { hyper_parameters } = { ...config, ...change }
          write(
            JSON.stringify(
              withDefaults({
                ...config,
                ...change,
                hyper_parameters: { ...config.hyper_parameters, ...hyper_parameters }
              })
            )
          )
          return server.printed(said)
        }),
        () =>
          Effect.suspend(() => {
            const printed = server.output().length
            write(JSON.stringify(withDefaults(config)))
            return until(
              () => server.output().slice(printed),
              (output) => /configuration: .* -> /.test(output)
            )
          })
      )
    return { server, cwd, port: server.port, write, reconfigure, since: server.output().length }
  }
}

const workersOf = (server: Cli.Running): ReadonlyArray<number> => {
  const { pid } = server.process
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").map(Number)
}

/** Waits for what nothing announces. */
const until = <A>(ask: () => Promise<A> | A, holds: (answer: A) => boolean) =>
  Effect.gen(function* () {
    while (true) {
      const answer = yield* Effect.promise(async () => ask())
      if (holds(answer)) return answer
      yield* Effect.sleep(10)
    }
  }).pipe(Effect.timeoutOrElse({ duration: PATIENCE, orElse: () => Effect.die(new Error(`waited too long: ${ask}`)) }))

const isAlive = (pid: number): boolean => {
  try {
    // A zombie has ended as well.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))
  } catch {
    return false
  }
}

/** Stops a process where it is, until the test is done or lets it go on. */
const stop = (pid: number) =>
  Effect.acquireRelease(
    Effect.sync(() => void process.kill(pid, "SIGSTOP")),
    () => Effect.sync(() => isAlive(pid) && process.kill(pid, "SIGCONT"))
  )

const hasEnded = (client: TcpClient.TcpClient) => client.socket.readableEnded || client.socket.closed

/** Waits until the connections of so many clients have ended: those of one worker do so one after another. */
const haveEnded = (clients: ReadonlyArray<TcpClient.TcpClient>, count: number) =>
  until(
    () => clients.filter(hasEnded).length,
    (ended) => ended >= count
  )

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

const connected = (server: Cli.Running, client: TcpClient.TcpClient) =>
  server.printed(new RegExp(`${client.address} connected \\(`))

/**
 * Clients that are in the room one after the other, and all hear each other. The log has told of each before the next one comes, so that the
 * server knows how many each worker has, and gives them out in turn.
 */
const room = Effect.fnUntraced(function* (server: Cli.Running, count: number) {
  const clients: Array<TcpClient.TcpClient> = []
  for (let i = 0; i < count; i++) {
    const client = yield* TcpClient.connect(server.port)
    yield* connected(server, client)
    clients.push(client)
  }
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

const warningsOf = (lines: ReadonlyArray<string>) => lines.filter((line) => line.startsWith("Warning: "))

/** What becomes of a new client: the lines that it gets if it is turned away, or `undefined` if it is in the room. */
const outcome = (server: Cli.Running) =>
  Effect.scoped(
    Effect.flatMap(TcpClient.connect(server.port), (client) =>
      Effect.raceFirst(client.rest, Effect.as(connected(server, client), undefined))
    )
  )

/** Waits until two clients in a row, which are with different workers, are turned away. */
const refusedEverywhere = Effect.fnUntraced(function* (server: Cli.Running, why: RegExp) {
  for (let refused = 0; refused < 2;) {
    const lines = yield* outcome(server)
    refused = lines === undefined ? 0 : refused + 1
    if (lines !== undefined) assert.match(lines[0] ?? "nothing", why)
  }
})

const admin = Effect.fnUntraced(function* (server: Cli.Running) {
  const [, port] = yield* server.printed(/admin on http:\/\/127\.0\.0\.1:(\d+)/)
  const url = `http://127.0.0.1:${port}`
  const get = async (path: string) => (await fetch(`${url}${path}`)).text()
  const post = (path: string, body: object = {}) =>
    Effect.promise(
      async () =>
        (
          await fetch(`${url}${path}`, {
            method: "POST",
            headers: { authorization: "Bearer token", "content-type": "application/json" },
            body: JSON.stringify(body)
          })
        ).status
    )
  const metric = async (name: string) => {
    const line = (await get("/metrics")).split("\n").find((line) => line.startsWith(`${name} `))
    return Number(line?.split(" ")[1])
  }
  const has = (name: string, value: number) =>
    until(
      () => metric(name),
      (found) => found === value
    )
  const json = async (path: string) => JSON.parse(await get(path))
  const stats = (holds: (stats: Stats) => boolean) => until<Stats>(() => json("/api/stats"), holds)
  return { url, get, json, metric, has, post, stats }
})

/** Of what `/api/stats` says. */
interface Stats {
  readonly clients: number
  readonly connections: number
  readonly lines_in: number
  readonly lines_relayed: number
  readonly departures: { readonly failed: number }
}

const SOFT_LIMIT_BYTES = 65_536

const ADMIN = { admin: { port: 0, token: "token" } }

const isAble = process.platform === "linux" && availableParallelism() >= 2

describe.skipIf(!isAble)(`a server of two workers${isAble ? "" : " (skipped: it takes Linux and two cores)"}`, () => {
  const server = shared({
    ...ADMIN,
    websocket: { port: 0, max_clients: 2 },
    // Nobody is given up who does not read: the machine may be slow.
    hyper_parameters: {
      slow_consumer: { soft_limit_bytes: SOFT_LIMIT_BYTES, hard_limit_bytes: 4_194_304, stall_grace_ms: 600_000 }
    }
  })

  /** The server, once the clients of the last test have gone. */
  const ready = Effect.gen(function* () {
    const running = server()
    const operator = yield* admin(running.server)
    yield* operator.has("summoner_clients", 0)
    return { ...running, ...operator }
  })

  it.live("listens on one port and is one room, whose clients the workers share evenly", () =>
    Effect.gen(function* () {
      const { has, metric, server } = yield* ready
      assert.strictEqual(workersOf(server).length, 2)
      assert.deepStrictEqual(
        yield* Effect.promise(() => Promise.all([metric("summoner_ready"), metric("summoner_bus_up")])),
        [1, 1]
      )
      const clients = yield* room(server, 8)
      yield* has('summoner_worker_clients{worker="1"}', 4)
      yield* has('summoner_worker_clients{worker="2"}', 4)
      yield* assertAllHearAll(clients)
      const last = yield* TcpClient.connect(server.port)
      yield* server.printed(new RegExp(`${last.address} connected \\(9 clients\\)\n`))
      assert.strictEqual(server.output().match(/listening on \d/g)?.length, 1)
    })
  )

  it.live("is one server to operators, who list, disconnect, quarantine and drain", () =>
    Effect.gen(function* () {
      const { get, json, post, server, since, stats } = yield* ready
      const before = yield* Effect.promise(() => json("/api/stats"))
      const clients = yield* room(server, 6)
      assert.strictEqual(yield* Effect.promise(() => get("/readyz")), "ready\n")
      const listed = yield* Effect.promise(() => json("/api/clients"))
      assert.sameMembers(
        listed.clients.map(({ address }: { readonly address: string }) => address),
        clients.map(({ address }) => address)
      )
      const settled = yield* stats(({ clients }) => clients === 6)
      assert.strictEqual(settled.connections, before.connections + 6)
      assert.strictEqual(settled.lines_relayed, settled.lines_in)
      // Neighbours are with different workers.
      for (const client of clients.slice(0, 2)) {
        const notice = "Warning: out"
        assert.strictEqual(yield* post("/api/disconnect", { address: client.address, notice }), 200)
        assert.deepStrictEqual(warningsOf(yield* client.rest), [notice])
      }
      assert.strictEqual(yield* post("/api/disconnect", { address: "127.0.0.1:1" }), 404)
      assert.strictEqual(yield* post("/api/quarantine", { key: "nobody" }), 422)
      assert.strictEqual(yield* post("/api/quarantine", { key: "127.0.0.1" }), 200)
      yield* refusedEverywhere(server, /^Warning: .*quarantine/i)
      const { entries } = yield* Effect.promise(() => json("/api/quarantine"))
      assert.deepStrictEqual(
        entries.map(({ key }: { readonly key: string }) => key),
        ["127.0.0.1"]
      )
      assert.strictEqual(yield* post("/api/lift", { key: "127.0.0.1" }), 200)
      assert.strictEqual(yield* post("/api/drain"), 200)
      assert.strictEqual(yield* Effect.promise(() => get("/readyz")), "draining\n")
      yield* refusedEverywhere(server, /^Warning: Server is shutting down/)
      yield* server.printed(/admin 127\.0\.0\.1: drain/)
      assert.strictEqual(
        server
          .output()
          .slice(since)
          .match(/draining: no new clients/g)?.length,
        1
      )
      assert.strictEqual(yield* post("/api/undrain"), 200)
      yield* TcpClient.settled(yield* TcpClient.connect(server.port), clients[5]!)
    })
  )

  it.live("streams events of all workers", () =>
    Effect.gen(function* () {
      const { server, url } = yield* ready
      const signal = yield* Effect.abortSignal
      let text = ""
      const response = yield* Effect.promise(() => fetch(`${url}/api/events`, { signal }))
      void (async () => {
        for await (const chunk of response.body!) text += Buffer.from(chunk).toString()
      })().catch(() => {})
      yield* until(
        () => text,
        (text) => text.includes("event: stats")
      )
      const clients = yield* room(server, 4)
      yield* until(
        () => text,
        (text) => clients.every(({ address }) => text.includes(`"type":"connected"`) && text.includes(address))
      )
    })
  )

  it.live("holds max_clients over all workers", () =>
    Effect.gen(function* () {
      const { reconfigure, server } = yield* ready
      yield* reconfigure({ hyper_parameters: { max_clients: 3 } }, /hyper_parameters\.max_clients: \d+ -> 3\n/)
      const clients = yield* room(server, 3)
      yield* refusedEverywhere(server, /^Warning: .*full/)
      yield* refusedEverywhere(server, /^Warning: .*full/)
      clients[0]!.socket.destroy()
      yield* server.printed(new RegExp(`${clients[0]!.address} disconnected: .* \\(2 clients\\)`))
      yield* TcpClient.settled(yield* TcpClient.connect(server.port), clients[1]!)
    })
  )

  it.live("holds websocket.max_clients over all workers", () =>
    Effect.gen(function* () {
      const { server } = yield* ready
      const [url] = yield* server.printed(/ws:\/\/\S+/)
      const first = yield* WebSocketClient.connect(url)
      const second = yield* WebSocketClient.connect(url)
      for (const { address } of [first, second]) {
        yield* server.printed(new RegExp(`${address} \\(websocket\\) connected`))
      }
      // Workers tell each other of their clients before they pass on what these say.
      first.send("hello")
      assert.match(yield* second.line, /"hello"/)
      second.send("hello")
      assert.match(yield* first.line, /"hello"/)
      for (let i = 0; i < 2; i++) {
        const refused = yield* WebSocketClient.connect(url)
        assert.match(yield* refused.line, /^Warning: Server is full/)
      }
      // Others are not concerned.
      yield* room(server, 2)
    })
  )

  it.live("holds a sender back for a reader at the other worker, as for one at its own", () =>
    Effect.gen(function* () {
      const { has, json, reconfigure, server } = yield* ready
      const [sender, reader] = (yield* room(server, 2)) as [TcpClient.TcpClient, TcpClient.TcpClient]
      yield* has('summoner_worker_clients{worker="1"}', 1)
      yield* has('summoner_worker_clients{worker="2"}', 1)
      // The console has no room for all that is sent.
      yield* reconfigure({ logger: { log_level: "WARNING" } }, /log_level: "DEBUG" -> "WARNING"\n/)
      let bytes = 0
      reader.socket.removeAllListeners("data")
      reader.socket.on("data", (text: string) => (bytes += text.length)).pause()
      const content = "x".repeat(999)
      let sent = 0
      const send = (lines: number) => {
        sent += lines
        sender.send(`${content}\n`.repeat(lines))
      }
      // As much as the kernel takes, and the backlog up to the soft limit.
      while ((yield* Effect.promise(() => json("/api/stats"))).bytes_waiting_max <= SOFT_LIMIT_BYTES) send(200)
      // Several times what may wait in the two workers: nobody would hold it but the sender.
      send(12_000)
      reader.socket.resume()
      const expected = sent * (TcpClient.envelope(sender, content).length + 1)
      yield* until(
        () => bytes,
        (bytes) => bytes >= expected || hasEnded(reader)
      )
      assert.strictEqual(bytes, expected)
    })
  )

  it.live("keeps its port from another server, which says once why it does not start", () =>
    Effect.gen(function* () {
      const { cwd, server } = yield* ready
      const other = yield* Cli.start(["--port", String(server.port)], { cwd })
      assert.deepStrictEqual(yield* other.exit, { code: 1, signal: null })
      const errors = other.output().match(/cannot listen on .*\n/g)
      assert.deepStrictEqual(errors, [
        `cannot listen on 127.0.0.1:${server.port}: the port is already in use (EADDRINUSE)\n`
      ])
      assert.notMatch(other.output(), /\n\s+at /)
    })
  )

  it.live("takes over a new configuration in all workers, also in one that is started later, and says so once", () =>
    Effect.gen(function* () {
      const { has, reconfigure, server, since, write } = yield* ready
      const clients = yield* room(server, 4)
      // As the end of a terminal does.
      for (const pid of workersOf(server)) process.kill(pid, "SIGHUP")
      yield* reconfigure(
        { hyper_parameters: { rate_limit_msgs_per_minute: 1 } },
        /configuration: hyper_parameters\.rate_limit_msgs_per_minute: 1000000 -> 1\n/
      )
      const assertLimited = Effect.fnUntraced(function* (client: TcpClient.TcpClient) {
        let line = Option.none<string>()
        while (!Option.exists(line, (line) => line.startsWith("Warning: You are sending"))) {
          client.send("too many\n")
          line = yield* Effect.timeoutOption(client.line, 100)
        }
      })
      for (const client of clients) yield* assertLimited(client)
      assert.strictEqual(
        server
          .output()
          .slice(since)
          .match(/rate_limit_msgs_per_minute: 1000000/g)?.length,
        1
      )
      assert.notMatch(server.output().slice(since), /has ended/)
      process.kill(workersOf(server)[0]!, "SIGKILL")
      yield* haveEnded(clients, 2)
      yield* has("summoner_workers", 2)
      for (let i = 0; i < 4; i++) yield* assertLimited(yield* TcpClient.connect(server.port))
      write("{")
      yield* server.printed(/not reloaded: .*line 1, column 2/)
      assert.strictEqual(server.output().match(/not reloaded: .*line 1, column 2/g)?.length, 1)
    })
  )

  it.live("ends in order when signals reach all of its processes, as Ctrl-C does", () =>
    Effect.gen(function* () {
      const { server, since } = yield* ready
      const clients = yield* room(server, 4)
      for (const pid of [...workersOf(server), server.process.pid!]) process.kill(pid, "SIGINT")
      for (const client of clients) {
        assert.deepStrictEqual(warningsOf(yield* client.rest), ["Warning: Server is shutting down."])
      }
      assert.deepStrictEqual(yield* server.exit, { code: 0, signal: null })
      assert.notMatch(server.output().slice(since), /has ended/)
    })
  )
})

describe.skipIf(!isAble)("a server one of whose workers crashes, or is stuck,", () => {
  const server = shared(ADMIN)

  /** The server, once all workers listen and the clients of the last test have gone. */
  const ready = Effect.gen(function* () {
    const running = server()
    const operator = yield* admin(running.server)
    yield* operator.has("summoner_clients", 0)
    yield* operator.has("summoner_workers", 2)
    yield* until(
      () => operator.get("/readyz"),
      (text) => text === "ready\n"
    )
    return { ...running, ...operator }
  })

  it.live("goes on while a worker is stuck, and together with it again", () =>
    Effect.gen(function* () {
      const { server, since, stats } = yield* ready
      const clients = yield* room(server, 6)
      const [stuck] = workersOf(server)
      yield* stop(stuck!)
      for (const client of clients) client.send("who is there\n")
      // Who hears somebody is with the other worker. They were given out in turn.
      const parity = yield* Effect.raceAll(clients.map(({ line }, i) => Effect.as(line, i % 2)))
      const [sender, witness] = clients.filter((_, i) => i % 2 === parity) as [TcpClient.TcpClient, TcpClient.TcpClient]
      // More than the soft limit: what waits for the stuck one holds nobody up for longer than the grace.
      for (let i = 0; i < 40; i++) sender.send(`${i} ${"x".repeat(60_000)}\n`)
      sender.send("end\n")
      while ((yield* witness.line) !== TcpClient.envelope(sender, "end")) continue
      process.kill(stuck!, "SIGCONT")
      for (const other of clients.filter((_, i) => i % 2 !== parity)) {
        while ((yield* other.line) !== TcpClient.envelope(sender, "end")) continue
      }
      assert.notMatch(server.output().slice(since), /dropped|lost/)
      // What operators see catches up, too: the next test counts from there.
      yield* stats(({ clients }) => clients === 6)
    })
  )

  it.live("goes on under load, and has another worker soon", () =>
    Effect.gen(function* () {
      const { has, json, metric, server, stats } = yield* ready
      const before = yield* Effect.promise(() => json("/api/stats"))
      const restarts = yield* Effect.promise(() => metric("summoner_worker_restarts_total"))
      const clients = yield* room(server, 8)
      yield* stats(({ connections }) => connections === before.connections + 8)
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
      const more = (rounds: number) => {
        const enough = sent + rounds
        return until(
          () => sent,
          (sent) => sent >= enough
        )
      }
      yield* more(50)
      process.kill(victim!, "SIGKILL")
      yield* server.printed(
        new RegExp(`ERROR - worker \\d \\(process ${victim}\\) has ended: killed by SIGKILL; .* starts in \\d+ ms\n`)
      )
      yield* haveEnded(clients, 4)
      yield* more(50)
      load.interruptUnsafe()
      const survivors = clients.filter((client) => !hasEnded(client))
      assert.strictEqual(survivors.length, 4)
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
      yield* has("summoner_workers", 2)
      assert.strictEqual(yield* Effect.promise(() => metric("summoner_worker_restarts_total")), restarts + 1)
      // Who has the fewest clients gets the next, so that the new one has some.
      const others: Array<TcpClient.TcpClient> = []
      for (let i = 0; i < 4; i++) others.push(yield* TcpClient.connect(server.port))
      yield* has("summoner_clients", survivors.length + 4)
      survivors[0]!.send("news\n")
      for (const other of others) assert.strictEqual(yield* other.line, TcpClient.envelope(survivors[0]!, "news"))
      const after = yield* stats(({ connections }) => connections === before.connections + 12)
      // What the one that has crashed had done still counts.
      assert.strictEqual(after.departures.failed, before.departures.failed + 8 - survivors.length)
    })
  )

  it.live("loses nobody who connects while a worker crashes, again and again", () =>
    Effect.gen(function* () {
      const { has, server } = yield* ready
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
      const complete = until(
        () => clients.length === 8 && clients.every((client) => !hasEnded(client)),
        (isSo) => isSo
      )
      for (let round = 0; round < 3; round++) {
        yield* complete
        yield* has("summoner_workers", 2)
        yield* settle(clients)
        const victim = workersOf(server)[0]!
        process.kill(victim, "SIGKILL")
        yield* server.printed(new RegExp(`process ${victim}\\) has ended: killed by SIGKILL`))
      }
      yield* complete
      yield* settle(clients)
      yield* has("summoner_clients", 8)
    })
  )

  it.live("is drained also by the worker that is started again, and its counters do not go back", () =>
    Effect.gen(function* () {
      const { has, json, metric, post, server } = yield* ready
      yield* Effect.addFinalizer(() => Effect.orDie(post("/api/undrain")))
      const clients = yield* room(server, 4)
      yield* assertAllHearAll(clients)
      const sent = () => metric('summoner_bus_batches_total{direction="sent"}')
      const before = yield* until(sent, (batches) => batches > 0)
      const victim = workersOf(server)[0]!
      process.kill(victim, "SIGKILL")
      yield* server.printed(new RegExp(`process ${victim}\\) has ended: killed by SIGKILL`))
      assert.isAtLeast(yield* Effect.promise(sent), before)
      assert.strictEqual(yield* post("/api/drain"), 200)
      yield* has("summoner_workers", 2)
      for (let i = 0; i < 6; i++) {
        assert.match((yield* outcome(server))?.[0] ?? "admitted", /^Warning: Server is shutting down/)
      }
      assert.strictEqual((yield* Effect.promise(() => json("/api/stats"))).state, "draining")
    })
  )

  it.live("finds a worker again that was stuck when the other one crashed", () =>
    Effect.gen(function* () {
      const { get, server } = yield* ready
      const [stuck, victim] = workersOf(server)
      yield* stop(stuck!)
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
      yield* room(server, 6)
    })
  )

  it.live.skipIf(!SOAK)(
    `ends a worker that stays stuck, and has another one soon${SOAK ? "" : " (skipped: with SOAK=1)"}`,
    () =>
      Effect.gen(function* () {
        const { server } = yield* ready
        const [stuck] = workersOf(server)
        const clients = yield* room(server, 6)
        yield* stop(stuck!)
        yield* server.printed(new RegExp(`process ${stuck}\\) has not been heard of for 30 s, and is killed\n`))
        yield* haveEnded(clients, 3)
        yield* settle([...clients.filter((client) => !hasEnded(client)), yield* TcpClient.connect(server.port)])
      })
  )
})

describe.skipIf(!isAble).concurrent("a server of several workers", () => {
  it.live("starts a worker that crashes again and again later and later, and ends in order meanwhile", () =>
    Effect.gen(function* () {
      const { server } = yield* start()
      const [steady, first] = workersOf(server)
      let victim = first!
      for (const pause of [100, 200, 400]) {
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
      server.process.kill("SIGTERM")
      assert.deepStrictEqual(yield* server.exit, { code: 0, signal: null })
      assert.notMatch(server.output(), /did not end/)
    })
  )

  it.live("tells all clients when it is ended, and leaves nothing behind", () =>
    Effect.gen(function* () {
      const tmp = yield* Directory.make()
      const { server } = yield* start({}, { env: { TMPDIR: tmp } })
      const clients = yield* room(server, 4)
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

  it.live("ends its workers in order when the process that started them is killed", () =>
    Effect.gen(function* () {
      const { server } = yield* start()
      const clients = yield* room(server, 4)
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
        const nats = yield* NatsServer.started()
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
        const clients = (yield* Effect.forEach(servers, (server) => room(server, 4))).flat()
        yield* settle(clients)
        yield* assertAllHearAll(clients)

        process.kill(workersOf(servers[0]!)[0]!, "SIGKILL")
        yield* haveEnded(clients, 2)
        const left = clients.filter((client) => !hasEnded(client))
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
      const clients = yield* room(server, 4)
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
      yield* room(server, 4)
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
