import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { execFileSync } from "node:child_process"
import * as Net from "node:net"
import * as TcpClient from "../support/TcpClient.ts"
import { threadCounts } from "../support/threadCounts.ts"
import * as form from "./form.ts"
import * as LoadClient from "./LoadClient.ts"
import { descriptors, itMeasures, processorMillis, watchMemory } from "./Proc.ts"
import * as Relay from "./Relay.ts"

const FULL = "Warning: Server is full. Please try again later."

const whole = (lines: number) => ({ lines, missing: 0, disordered: 0, damaged: 0 })

describe.each(threadCounts)("connections that are reset, with %i thread(s),", (worker_threads) => {
  itMeasures("leak neither descriptors nor memory, and cost no innocent client a line, or a part of one", () =>
    Effect.gen(function* () {
      const { connections, lines, storm } = form.resets
      const lineBytes = 200
      const relay = yield* Relay.talkative({ limits: { worker_threads } })
      const innocent = yield* LoadClient.connectMany(relay.port, 5, { lineBytes })
      yield* LoadClient.gathered(innocent, innocent[0]!)
      yield* LoadClient.gathered(innocent, innocent[1]!)
      const before = descriptors(relay.pid).length
      const memory = watchMemory(relay.pid)
      const talking = yield* Effect.forkScoped(
        Effect.forEach(innocent, (client) => client.sendEvenly(Infinity, 100), { concurrency: "unbounded" })
      )
      const reset = (i: number) =>
        Effect.callback<void>((resume) => {
          const socket = Net.connect(relay.port, "127.0.0.1").on("error", () => {})
          socket.once("close", () => resume(Effect.void))
          socket.once("connect", () => {
            // Gone before it is accepted, within a line, and behind a line.
            if (i % 3 === 0) return void socket.resetAndDestroy()
            socket.write(i % 3 === 1 ? "unfinished" : "line\n", () => socket.resetAndDestroy())
          })
        })
      yield* Effect.forEach(
        Array.from({ length: connections }, (_, i) => i),
        reset,
        { concurrency: 20 }
      )
      yield* innocent[0]!.until((self) => self.lines > 0, "lines of the innocent")
      yield* Fiber.interrupt(talking)
      yield* Relay.eventually(
        () => descriptors(relay.pid).length === before,
        () => `${descriptors(relay.pid).length} descriptors instead of ${before}`
      )
      for (const reader of innocent) {
        for (const sender of innocent) {
          if (reader === sender) continue
          yield* reader.until((self) => self.from(sender).next >= sender.sent, "all lines")
          assert.deepStrictEqual(LoadClient.complete(reader, sender), whole(sender.sent))
        }
        assert.isFalse(reader.ended)
      }
      const { growth } = memory()
      // Nor sessions: the next client is the sixth.
      const next = yield* LoadClient.connect(relay.port, { lineBytes })
      yield* relay.printed(new RegExp(`:${next.port} connected \\(6 clients\\)`))
      yield* Relay.measured("connects and resets", {
        connections,
        "descriptors before and after": before,
        "memory growth (MiB)": Relay.mib(growth)
      })
      assert.isBelow(growth, form.bounds.slackBytes)

      // And now all at once, in mid-broadcast.
      yield* Relay.hush(relay)
      const sender = yield* LoadClient.connect(relay.port, { lineBytes })
      innocent.push(next, ...(yield* LoadClient.connectMany(relay.port, 4, { lineBytes })))
      yield* LoadClient.gathered([sender, ...innocent.slice(5)], innocent[0]!)
      const beforeStorm = descriptors(relay.pid).length
      const victims = yield* LoadClient.connectMany(relay.port, storm, { lineBytes })
      yield* LoadClient.gathered(victims, innocent[0]!)
      const sending = yield* Effect.forkScoped(sender.sendFast(lines / 2))
      yield* innocent[0]!.until((self) => self.from(sender).lines > lines / 4, "a quarter of the lines")
      for (const victim of victims) victim.socket.resetAndDestroy()
      yield* Fiber.join(sending)
      yield* sender.sendFast(lines / 2)
      for (const reader of innocent) {
        yield* reader.until((self) => self.from(sender).next >= lines, "all lines")
        assert.deepStrictEqual(LoadClient.complete(reader, sender), whole(lines))
      }
      yield* Relay.eventually(
        () => descriptors(relay.pid).length === beforeStorm,
        () => `${descriptors(relay.pid).length} descriptors instead of ${beforeStorm}`
      )
      assert.notMatch(relay.output(), /ERROR|failed/)
    })
  )
})

/** A socket that tries to get in, whatever becomes of it. */
const tryToConnect = (port: number) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      Net.connect(port, "127.0.0.1")
        .on("error", () => {})
        .resume()
    ),
    (socket) => Effect.sync(() => void socket.destroy())
  )

/** Connects until the server lets a client in that hears `witness`. */
const lateComer = Effect.fnUntraced(function* (port: number, witness: TcpClient.TcpClient) {
  yield* Relay.reachable(port)
  while (true) {
    const client = yield* TcpClient.connect(port)
    client.send("late\n")
    const isIn = yield* Effect.raceFirst(
      Effect.gen(function* () {
        while ((yield* witness.line) !== TcpClient.envelope(client, "late")) continue
        return true
      }),
      Effect.as(client.rest, false)
    )
    if (isIn) return client
  }
})

const hasPrlimit = (() => {
  try {
    execFileSync("prlimit", ["--version"])
    return true
  } catch {
    return false
  }
})()

/** Sets how many descriptors a running process may have open. */
const limitDescriptors = (pid: number, limit: number) =>
  Effect.sync(() => void execFileSync("prlimit", ["--pid", String(pid), `--nofile=${limit}:`]))

/** How much of a core the process uses for a second. */
const load = Effect.fnUntraced(function* (pid: number) {
  const [time, used] = [performance.now(), processorMillis(pid)]
  yield* Effect.sleep("1 second")
  return (processorMillis(pid) - used) / (performance.now() - time)
})

/** Waits until a process no longer keeps a core busy, as one does that tries again and again. Only one that goes on is waited for in vain. */
const calm = (pid: number) => Effect.repeat(load(pid), { until: (share) => share < 0.3 })

const occurrences = (text: string, pattern: RegExp) => text.match(pattern)?.length ?? 0

/** Takes descriptors from the running server, and gives them back, again and again. */
const whenLimited = (worker_threads: number, name: string, limits: ReadonlyArray<(pid: number) => number>) =>
  it.live.skipIf(!hasPrlimit)(
    hasPrlimit ? name : `${name} (skipped: there is no prlimit)`,
    () =>
      Effect.gen(function* () {
        const relay = yield* Relay.talkative({ limits: { worker_threads }, groups: { websocket: { port: 0 } } })
        const a = yield* TcpClient.connect(relay.port)
        const b = yield* TcpClient.connect(relay.port)
        yield* TcpClient.settled(a, b)
        for (const limit of limits) yield* Effect.scoped(limited(relay, name, a, b, limit(relay.pid)))
      }),
    form.timeout
  )

const limited = Effect.fnUntraced(function* (
  relay: Relay.Relay,
  name: string,
  a: TcpClient.TcpClient,
  b: TcpClient.TcpClient,
  limit: number
) {
  const before = relay.output().length
  const logged = (what: string) => relay.printed(new RegExp(`^[^]{${before}}[^]*${what}`))
  yield* limitDescriptors(relay.pid, limit)
  // Some that wait, and some that keep coming.
  yield* Effect.forEach(Array.from({ length: 20 }), () => tryToConnect(relay.port))
  const coming = yield* Effect.forkScoped(
    Effect.scoped(Effect.andThen(tryToConnect(relay.port), Effect.sleep("10 millis"))).pipe(Effect.forever)
  )
  yield* logged("WARNING - cannot accept connections: EMFILE")
  const share = yield* calm(relay.pid)
  a.send("still here\n")
  while ((yield* b.line) !== TcpClient.envelope(a, "still here")) continue
  yield* Fiber.interrupt(coming)
  const warnings = occurrences(relay.output().slice(before), /WARNING/g)
  yield* limitDescriptors(relay.pid, 1024)
  yield* logged("INFO - accepting connections again")
  const late = yield* lateComer(relay.port, a)
  a.send("welcome\n")
  while ((yield* late.line) !== TcpClient.envelope(a, "welcome")) continue
  yield* Relay.measured(name, { limit, "processor (%)": share * 100, warnings })
  assert.strictEqual(warnings, 1)
})

describe.each(threadCounts)("out of file descriptors, with %i thread(s),", (worker_threads) => {
  itMeasures("the server refuses a crowd, serves connected clients, and accepts again later", () =>
    Effect.gen(function* () {
      const relay = yield* Relay.talkative({ limits: { worker_threads }, setup: "ulimit -n 64" })
      const a = yield* TcpClient.connect(relay.port)
      const b = yield* TcpClient.connect(relay.port)
      yield* TcpClient.settled(a, b)
      const crowd = yield* Effect.forEach(Array.from({ length: 200 }), () => tryToConnect(relay.port))
      yield* relay.printed(/connections refused: /)
      a.send("still here\n")
      assert.strictEqual(yield* b.line, TcpClient.envelope(a, "still here"))
      assert.isAtMost(occurrences(relay.output(), /WARNING/g), 2)
      const share = yield* calm(relay.pid)
      for (const socket of crowd) socket.destroy()
      const late = yield* lateComer(relay.port, a)
      a.send("welcome\n")
      assert.strictEqual(yield* late.line, TcpClient.envelope(a, "welcome"))
      yield* Relay.measured("out of descriptors (ulimit)", { "processor (%)": share * 100 })
    })
  )

  const isAlone = worker_threads === 1
  whenLimited(
    worker_threads,
    `the server stops accepting when there is no descriptor left${isAlone ? ", not even for a refusal," : ""} and begins again`,
    isAlone ? [lowestFree, () => 10] : [lowestFree]
  )
})

/** The number that the next descriptor of the process would have. */
const lowestFree = (pid: number) => {
  const taken = new Set(descriptors(pid))
  let number = 0
  while (taken.has(number)) number++
  return number
}

describe.each(threadCounts)("a crowd, with %i thread(s),", (worker_threads) => {
  it.live("of clients that all speak hears every line, in order", () =>
    Effect.gen(function* () {
      const { clients: count, lines } = form.crowd
      const relay = yield* Relay.inProcess({ logger: { log_level: "WARNING" }, limits: { worker_threads } })
      const clients = yield* LoadClient.connectMany(relay.port, count, { lineBytes: 60 })
      yield* LoadClient.gathered(clients, clients[0]!)
      const start = performance.now()
      for (const client of clients) for (let i = 0; i < lines; i++) client.send(1)
      for (const reader of clients) {
        yield* reader.until((self) => self.lines >= lines * (count - 1), "everybody's lines")
        for (const sender of clients) {
          if (sender !== reader) assert.deepStrictEqual(LoadClient.complete(reader, sender), whole(lines))
        }
        assert.isFalse(reader.senders.has(reader.port))
      }
      yield* Relay.measured("a crowd", {
        clients: count,
        deliveries: lines * count * (count - 1),
        "took (s)": (performance.now() - start) / 1000
      })
    })
  )
})

describe.each(threadCounts)("connections from a denied address, with %i thread(s),", (worker_threads) => {
  it.live("harm nobody when they are reset or closed at once, over TCP and WebSocket", () =>
    Effect.gen(function* () {
      const relay = yield* Relay.inProcess({
        limits: { worker_threads, deny: ["127.0.0.2"] },
        groups: { websocket: { port: 0 } }
      })
      const [, webSocketPort] = yield* relay.printed(/listening on ws:\S*:(\d+)/)
      const visit = (i: number) =>
        Effect.callback<void>((resume) => {
          const port = i % 4 < 2 ? relay.port : Number(webSocketPort)
          const socket = Net.connect({ port, host: "127.0.0.1", localAddress: "127.0.0.2" })
          socket.on("error", () => {}).once("close", () => resume(Effect.void))
          socket.once("connect", () => void (i % 2 === 0 ? socket.resetAndDestroy() : socket.end()))
        })
      yield* Effect.forEach(Array.from({ length: 100 }).keys(), visit, { concurrency: 20, discard: true })
      const [a, b] = [yield* TcpClient.connect(relay.port), yield* TcpClient.connect(relay.port)]
      yield* TcpClient.settled(a, b)
      yield* relay.printed(/connections refused: not allowed; last from 127\.0\.0\.2/)
      // Threads log each for itself.
      yield* relay.printed(/ connected \([^]* connected \(/)
      assert.lengthOf(relay.output().match(/ connected \(/g)!, 2)
      assert.notMatch(relay.output(), /ERROR|has ended/)
    })
  )
})

describe.each(threadCounts)("a full server, with %i thread(s),", (worker_threads) => {
  it.live(
    "tells a client that it is refused, and lets one in again when another leaves; each IP address has places of its own",
    () =>
      Effect.gen(function* () {
        const relay = yield* Relay.inProcess({ limits: { worker_threads, max_clients: 3, max_clients_per_ip: 2 } })
        const from = (localAddress: string) => TcpClient.connect(relay.port, { localAddress })
        const left = (client: TcpClient.TcpClient) =>
          Effect.andThen(relay.printed(new RegExp(`${client.address} disconnected`)), client.rest)
        const a = yield* from("127.0.0.1")
        const b = yield* from("127.0.0.1")
        yield* TcpClient.settled(a, b)
        assert.deepStrictEqual(yield* (yield* from("127.0.0.1")).rest, [FULL])
        const other = yield* from("127.0.0.2")
        yield* TcpClient.settled(a, other)
        assert.deepStrictEqual(yield* (yield* from("127.0.0.3")).rest, [FULL])

        b.socket.resetAndDestroy()
        yield* left(b)
        const next = yield* lateComer(relay.port, a)
        a.send("welcome\n")
        assert.strictEqual(yield* next.line, TcpClient.envelope(a, "welcome"))
        other.socket.end()
        yield* left(other)
        yield* TcpClient.settled(a, yield* from("127.0.0.2"))
      })
  )
})
