import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { rmSync } from "node:fs"
import * as Tls from "node:tls"
import { afterAll, beforeAll } from "vitest"
import { ServerConfig } from "../../src/config/ServerConfig.ts"
import { RateLimiter } from "../../src/limits/RateLimiter.ts"
import { RelayLogger } from "../../src/logging/RelayLogger.ts"
import { RelayServer } from "../../src/RelayServer.ts"
import * as MessageFilter from "../../src/session/MessageFilter.ts"
import { StuckSeconds } from "../../src/threads/Supervisor.ts"
import { Machine } from "../../src/threads/threadCount.ts"
import * as Certificates from "../support/Certificates.ts"
import * as Server from "../support/Server.ts"
import * as TcpClient from "../support/TcpClient.ts"
import * as Threads from "../support/Threads.ts"
import * as WebSocketClient from "../support/WebSocketClient.ts"

type Running = Effect.Success<ReturnType<typeof Threads.start>>

/** A server for the tests of a suite, each of which leaves it as it was, without clients. Starting one takes longer than most tests. */
const shared = (config: Parameters<typeof Threads.start>[0]) => {
  const scope = Scope.makeUnsafe()
  let started: Running | undefined
  beforeAll(async () => {
    started = await Effect.runPromise(Scope.provide(Threads.start(config), scope))
  })
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  return Effect.suspend(() => Effect.as(started!.empty, started!))
}

const warningsOf = (lines: ReadonlyArray<string>) => lines.filter((line) => line.startsWith("Warning: "))

/** For a program that cannot wait. */
const atOnce = <A, E>(effect: Effect.Effect<A, E>) => Effect.runSync(effect)

const hasEnded = (client: TcpClient.TcpClient) => client.socket.readableEnded || client.socket.closed

const haveEnded = (clients: ReadonlyArray<TcpClient.TcpClient>) => Server.until(() => clients.every(hasEnded))

/** All speak at once: each line reaches all the others, once and in order. */
const assertAllHearAll = Effect.fnUntraced(function* (clients: ReadonlyArray<TcpClient.TcpClient>) {
  const contents = Array.from({ length: 100 }, (_, i) => `line ${i}`)
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

/** What clients are told that come until each thread has had its turn, or are refused, most likely by each. */
const outcomes = Effect.fnUntraced(function* (port: number) {
  const first: Array<string | undefined> = []
  for (let i = 0; i < 8; i++) first.push((yield* (yield* TcpClient.connect(port)).rest)[0])
  return first
})

const SOFT_LIMIT_BYTES = 65_536

describe.skipIf(process.platform !== "linux")("a server of two threads", () => {
  const ready = shared({
    websocket: { port: 0, max_clients: 2 },
    // No reader is given up: the machine may be slow.
    hyper_parameters: {
      slow_consumer: { soft_limit_bytes: SOFT_LIMIT_BYTES, hard_limit_bytes: 4_194_304, stall_grace_ms: 600_000 }
    }
  })

  it.live("listens on one port and is one room", () =>
    Effect.gen(function* () {
      const { lines, logged, port, relay, room } = yield* ready
      const clients = (yield* room(2)).flat()
      yield* assertAllHearAll(clients)
      const last = yield* TcpClient.connect(port)
      yield* logged(new RegExp(`${last.address} connected \\(${clients.length + 1} clients\\)`))
      assert.strictEqual(lines.filter((line) => /listening on \d/.test(line)).length, 1)
      assert.strictEqual((yield* relay.cluster.stats).state, "up")
    })
  )

  it.live("greets clients that join with its history, whichever thread they reach", () =>
    Effect.gen(function* () {
      const { port, reload, room } = yield* ready
      yield* reload({ history: { lines: 3 } })
      const [sender, hearer] = (yield* room(1)).flat()
      const contents = ["1", "2", "3", "4", "5"]
      for (const content of contents) sender!.send(`${content}\n`)
      const lines = yield* hearer!.lines(contents.length)
      for (let i = 0; i < 6; i++) {
        const late = yield* TcpClient.connect(port)
        assert.deepStrictEqual(yield* late.lines(3), lines.slice(-3))
      }
      yield* reload()
    })
  )

  it.live("is one server to operators, who list, tell, disconnect and quarantine clients of both threads", () =>
    Effect.gen(function* () {
      const { port, relay, room } = yield* ready
      const threads = yield* room(2)
      assert.sameMembers(
        (yield* relay.clients).map(({ address }) => address),
        threads.flat().map(({ address }) => address)
      )
      for (const [client, other] of threads) {
        yield* relay.send(client!.address, "soon")
        yield* relay.disconnect(client!.address, { notice: "out" })
        assert.deepStrictEqual(warningsOf(yield* client!.rest), ["Warning: soon", "Warning: out"])
        yield* relay.broadcast("all of you", { from: "operator" })
        assert.strictEqual(yield* other!.line, '{"remote_addr":"operator","content":"all of you"}')
      }
      const [first, second] = [threads[0][1]!, threads[1][1]!]
      yield* relay.broadcast("both of you", { from: "operator", to: [first.address, second.address] })
      const gone = relay.broadcast("you alone", { from: "operator", to: [second.address, "127.0.0.1:1"] })
      assert.strictEqual((yield* Effect.flip(gone)).message.includes('"127.0.0.1:1"'), true)
      yield* relay.broadcast("bye", { from: "operator" })
      const heard = Effect.fnUntraced(function* (client: TcpClient.TcpClient) {
        const contents: Array<string> = []
        while (contents.at(-1) !== "bye") {
          contents.push((JSON.parse(yield* client.line) as { readonly content: string }).content)
        }
        return contents.filter((content) => content !== "all of you")
      })
      assert.deepStrictEqual(yield* heard(first), ["both of you", "bye"])
      assert.deepStrictEqual(yield* heard(second), ["both of you", "you alone", "bye"])
      const tooLong = yield* Effect.flip(relay.broadcast("\ud800", { to: first.address }))
      assert.strictEqual(tooLong._tag, "MessageRejected")
      assert.strictEqual((yield* Effect.flip(relay.disconnect("127.0.0.1:1")))._tag, "ClientNotFound")
      assert.strictEqual((yield* Effect.flip(relay.broadcast("\ud800")))._tag, "MessageRejected")
      assert.strictEqual((yield* Effect.flip(relay.quarantine.add("nobody")))._tag, "QuarantineRejected")
      yield* relay.quarantine.add("127.0.0.1")
      for (const line of yield* outcomes(port)) assert.match(line ?? "", /^Warning: .*quarantine/i)
      assert.deepStrictEqual(
        (yield* relay.quarantine.list).map(({ key }) => key),
        ["127.0.0.1"]
      )
      assert.isTrue(yield* relay.quarantine.lift("127.0.0.1"))
      assert.isFalse(yield* relay.quarantine.lift("127.0.0.1"))
      yield* TcpClient.settled(yield* TcpClient.connect(port), yield* TcpClient.connect(port))
    })
  )

  it.live("answers a program that cannot wait", () =>
    Effect.gen(function* () {
      const { relay, room } = yield* ready
      const clients = (yield* room(1)).flat()
      assert.sameMembers(
        atOnce(relay.clients).map(({ address }) => address),
        clients.map(({ address }) => address)
      )
      atOnce(relay.quarantine.add("192.0.2.1"))
      assert.strictEqual(atOnce(relay.quarantine.list)[0]?.key, "192.0.2.1")
      assert.isTrue(atOnce(relay.quarantine.lift("192.0.2.1")))
    })
  )

  it.live("is drained as a whole, which its log says once", () =>
    Effect.gen(function* () {
      const { lines, port, relay } = yield* ready
      yield* relay.drain
      for (const line of yield* outcomes(port)) assert.match(line ?? "", /^Warning: Server is shutting down/)
      assert.strictEqual(yield* relay.state, "draining")
      yield* relay.undrain
      yield* TcpClient.settled(yield* TcpClient.connect(port), yield* TcpClient.connect(port))
      assert.deepStrictEqual(
        lines.filter((line) => /^INFO (draining:|taking new)/.test(line)),
        ["INFO draining: no new clients", "INFO taking new clients again"]
      )
    })
  )

  it.live("streams events of both threads", () =>
    Effect.gen(function* () {
      const { relay, room } = yield* ready
      const connected = new Set<string>()
      const contents = new Set<string>()
      const following = yield* Stream.runForEach(relay.events, (event) =>
        Effect.sync(() => {
          if (event._tag === "Connected") connected.add(event.client.address)
          if (event._tag === "Relayed") contents.add(event.content)
        })
      ).pipe(Effect.forkChild({ startImmediately: true }))
      const [[one], [two]] = yield* room(1)
      one!.send("from one\n")
      two!.send("from two\n")
      yield* Server.until(
        () =>
          connected.has(one!.address) &&
          connected.has(two!.address) &&
          contents.has("from one") &&
          contents.has("from two")
      )
      yield* Fiber.interrupt(following)
    })
  )

  it.live("holds max_clients and websocket.max_clients over both threads", () =>
    Effect.gen(function* () {
      const { empty, port, relay, reload, room } = yield* ready
      const url = relay.webSocketUrl!
      const webSockets = [yield* WebSocketClient.connect(url), yield* WebSocketClient.connect(url)]
      yield* Server.until(() => webSockets.length === 2)
      for (let i = 0; i < 6; i++) {
        const refused = yield* WebSocketClient.connect(url)
        assert.match(yield* refused.line, /^Warning: Server is full/)
      }
      for (const { socket } of webSockets) socket.destroy()
      yield* empty
      const clients = (yield* room(2)).flat()
      yield* reload({ hyper_parameters: { max_clients: clients.length } })
      for (const line of yield* outcomes(port)) assert.match(line ?? "", /^Warning: Server is full/)
      clients[0]!.socket.destroy()
      // Its place is free a moment after it has left the room.
      let hears: string | undefined
      do {
        const next = yield* TcpClient.connect(port)
        next.send("hello\n")
        hears = yield* Effect.raceFirst(next.line, clients[1]!.line)
      } while (hears?.startsWith("Warning: Server is full") === true)
      assert.match(hears ?? "", /hello/)
      yield* reload()
    })
  )

  it.live("holds a sender back for a reader at the other thread, as for one at its own", () =>
    Effect.gen(function* () {
      const { relay, reload, room } = yield* ready
      const [[sender], [reader, ...rest]] = yield* room(1)
      for (const { socket } of rest) socket.destroy()
      // The array of log lines keeps all that is sent.
      yield* reload({ logger: { log_level: "WARNING" } })
      let bytes = 0
      reader!.socket.removeAllListeners("data")
      reader!.socket.on("data", (text: string) => (bytes += text.length)).pause()
      const content = "x".repeat(999)
      let sent = 0
      const send = (lines: number) => {
        sent += lines
        sender!.send(`${content}\n`.repeat(lines))
      }
      // As much as the kernel takes, and then some. Not up to the soft limit: what holds the sender may be less a moment later, as the kernel
      // takes more.
      while ((yield* relay.stats).bytesWaitingMax <= SOFT_LIMIT_BYTES / 2) {
        send(200)
        yield* Effect.sleep(10)
      }
      // Several times what may wait in the two threads: the sender alone holds it.
      send(12_000)
      reader!.socket.resume()
      const expected = sent * (TcpClient.envelope(sender!, content).length + 1)
      yield* Server.until(() => bytes >= expected || hasEnded(reader!))
      assert.strictEqual(bytes, expected)
      yield* reload()
    })
  )

  it.live("does not count a client that is leaving the other thread as one that a line would reach", () =>
    Effect.gen(function* () {
      const { relay, reload, room } = yield* ready
      const [[speaker, ...near], [leaving, ...far]] = yield* room(1)
      for (const { socket } of [...near, ...far]) socket.destroy()
      yield* reload({ logger: { log_level: "WARNING" }, hyper_parameters: { shutdown_grace_ms: 600_000 } })
      leaving!.socket.pause()
      const line = `${"x".repeat(60_000)}\n`
      while ((yield* relay.stats).bytesWaitingMax <= SOFT_LIMIT_BYTES / 2) {
        for (let i = 0; i < 5; i++) speaker!.send(line)
        yield* Effect.sleep(10)
      }
      yield* relay.disconnect(leaving!.address)
      yield* Threads.is(relay.clients, ({ length }) => length === 1)
      yield* reload({
        hyper_parameters: {
          shutdown_grace_ms: 600_000,
          backpressure_policy: { ...Threads.OPEN.backpressure_policy, enable_disconnect: true, disconnect_threshold: 1 }
        }
      })
      const relayed = Stream.runHead(Stream.filter(relay.messages, ({ content }) => content === "alone"))
      // The stream may begin after the first of them.
      const speaking = yield* Effect.forkChild(
        Effect.forever(
          Effect.delay(
            Effect.sync(() => speaker!.send("alone\n")),
            50
          )
        )
      )
      const outcome = yield* Effect.raceFirst(Effect.as(relayed, "relayed"), Effect.as(speaker!.rest, "disconnected"))
      assert.strictEqual(outcome, "relayed")
      yield* Fiber.interrupt(speaking)
      leaving!.socket.destroy()
      yield* reload()
    })
  )

  it.live("takes over a new configuration in both threads, and says so once", () =>
    Effect.gen(function* () {
      const { lines, reload, room } = yield* ready
      const clients = (yield* room(1)).flat()
      yield* reload({ hyper_parameters: { rate_limit_msgs_per_minute: 1 } })
      for (const client of clients) {
        let line = Option.none<string>()
        while (!Option.exists(line, (line) => line.startsWith("Warning: You are sending"))) {
          client.send("too many\n")
          line = yield* Effect.timeoutOption(client.line, 100)
        }
      }
      yield* reload()
      assert.strictEqual(lines.filter((line) => line.endsWith("rate_limit_msgs_per_minute: 1000000 -> 1")).length, 1)
    })
  )

  it.live("logs in both threads from the level of a new configuration on", () =>
    Effect.gen(function* () {
      const { lines, logged, reload, room } = yield* ready
      yield* reload({ logger: { log_level: "ERROR" } })
      // A client of another test may have had the address of one of these.
      const before = lines.length
      const clients = (yield* room(1)).flat()
      yield* reload()
      for (const { address, socket } of clients) {
        socket.destroy()
        yield* logged(new RegExp(`${address} disconnected`))
        assert.isFalse(lines.slice(before).some((line) => line.includes(`${address} connected`)))
      }
    })
  )
})

describe.skipIf(process.platform !== "linux")("a server one of whose threads fails", () => {
  const ready = shared({})

  it.live("goes on without a loss for clients of the other thread, and has another thread soon", () =>
    Effect.gen(function* () {
      const { fail, joinThread, logged, relay, room } = yield* ready
      const [lost, kept] = yield* room(2)
      const before = yield* Threads.is(relay.stats, ({ clients }) => clients === lost.length + kept.length)
      const [sender, witness] = kept
      const load = Array.from({ length: 50 }, (_, i) => `${i}\n`)
      for (const line of load) sender!.send(line)
      yield* fail(0, "throw")
      for (const line of load) sender!.send(line)
      yield* haveEnded(lost)
      for (const line of load) sender!.send(line)
      for (const line of [...load, ...load, ...load]) {
        assert.strictEqual(yield* witness!.line, TcpClient.envelope(sender!, line.trimEnd()))
      }
      yield* logged(/^ERROR worker 1 has ended: Error: thrown by thread \d+[^]*; its clients .* starts in 100 ms$/)
      const next = yield* joinThread(0)
      yield* Threads.settle([...kept, next])
      const after = yield* Threads.is(relay.stats, ({ clients }) => clients === kept.length + 1)
      // What the thread had done still counts.
      assert.isAtLeast(after.connections, before.connections + 1)
      assert.strictEqual(after.departures.failed, before.departures.failed + lost.length)
    })
  )

  it.live("gives the places of its clients to others", () =>
    Effect.gen(function* () {
      const { crash, port, reload, room } = yield* ready
      const [lost, kept] = yield* room(2)
      yield* reload({ hyper_parameters: { max_clients: lost.length + kept.length } })
      yield* crash(0)
      const others = [yield* TcpClient.connect(port), yield* TcpClient.connect(port)]
      yield* Threads.settle([...kept, ...others])
      yield* reload()
    })
  )

  it.live("takes over the configuration, and the drain, in the thread that is started later", () =>
    Effect.gen(function* () {
      const { crash, joinThread, port, relay, reload, room } = yield* ready
      yield* Effect.scoped(room(1))
      yield* crash(0)
      yield* relay.drain
      yield* reload({ hyper_parameters: { rate_limit_msgs_per_minute: 1 } })
      for (const line of yield* outcomes(port)) assert.match(line ?? "", /^Warning: Server is shutting down/)
      yield* relay.undrain
      const client = yield* joinThread(0)
      client.send("one\ntwo\n")
      assert.match(yield* client.line, /^Warning: You are sending/)
      yield* reload()
    })
  )

  it.live("goes on when a thread has used up its memory", () =>
    Effect.gen(function* () {
      const { crash, logged, room } = yield* ready
      const [lost, kept] = yield* room(2)
      yield* crash(0, "exhaust")
      yield* haveEnded(lost)
      yield* assertAllHearAll(kept)
      // On a slow machine it may not have turned its event loop for too long before its memory is used up.
      yield* logged(/^ERROR worker 1 has ended: .*(memory|stuck)/)
    })
  )

  it.live("goes on while a thread hangs, and together with it again", () =>
    Effect.gen(function* () {
      const { hang, lines, room } = yield* ready
      const [hung, [sender, witness]] = yield* room(2)
      const goOn = yield* hang(0)
      // More than the soft limit: what waits for the thread that hangs holds others up for the grace at most.
      for (let i = 0; i < 40; i++) sender!.send(`${i} ${"x".repeat(60_000)}\n`)
      sender!.send("end\n")
      while ((yield* witness!.line) !== TcpClient.envelope(sender!, "end")) continue
      yield* goOn
      for (const other of hung) while ((yield* other.line) !== TcpClient.envelope(sender!, "end")) continue
      assert.notMatch(lines.join("\n"), /dropped|lost/)
    })
  )
})

describe.skipIf(process.platform !== "linux" || !Certificates.hasOpenssl)(
  `a server whose certificate cannot be read any more${Certificates.withOpenssl}`,
  () => {
    it.live("has another thread in the place of one that has crashed, with the certificate of its start", () =>
      Effect.gen(function* () {
        const certificates = yield* Certificates.make
        const { byThread, crash, port, relay } = yield* Threads.start({ tls: certificates.config })
        for (const path of Object.values(certificates.config)) rmSync(path)
        yield* crash(0)
        const ofFirst = Effect.scoped(
          Effect.gen(function* () {
            const socket = yield* Effect.acquireRelease(
              Effect.callback<Tls.TLSSocket>((resume) => {
                const connected = () => resume(Effect.succeed(socket))
                const socket = Tls.connect({ port, host: "127.0.0.1", ...certificates.client() }, connected)
                socket.on("error", (error) => resume(Effect.die(error)))
              }),
              (socket) => Effect.sync(() => socket.destroy())
            )
            const { localPort } = socket
            const isMe = ({ address }: { readonly address: string }) => address === `127.0.0.1:${localPort}`
            yield* Threads.is(relay.clients, (clients) => clients.some(isMe))
            return (yield* byThread)[0]!.some(isMe)
          })
        )
        yield* Threads.is(ofFirst, (isOfFirst) => isOfFirst)
      })
    )
  }
)

describe.skipIf(process.platform !== "linux")("a server one of whose threads goes on hanging", () => {
  it.live("terminates it, gives its places to others, keeps nothing for it, and has another soon", () =>
    Effect.gen(function* () {
      const { hang, joinThread, logged, port, relay, reload, room } = yield* Threads.start().pipe(
        Effect.provideService(StuckSeconds, 5)
      )
      const [hung, kept] = yield* room(2)
      yield* reload({ hyper_parameters: { max_clients: hung.length + kept.length } })
      const [sender, witness] = kept
      // For ever.
      void (yield* hang(0))
      for (let i = 0; i < 40; i++) sender!.send(`${i} ${"x".repeat(60_000)}\n`)
      sender!.send("end\n")
      while ((yield* witness!.line) !== TcpClient.envelope(sender!, "end")) continue
      yield* logged(/^ERROR worker 1 has not been heard of for 5 s, and is terminated$/)
      yield* haveEnded(hung)
      yield* Threads.is(relay.cluster.stats, ({ bytesWaiting }) => bytesWaiting === 0)
      const next = yield* joinThread(0)
      yield* Threads.settle([...kept, next, yield* TcpClient.connect(port)])
    })
  )
})

describe.skipIf(process.platform !== "linux")("the end of a server of two threads", () => {
  it.live("tells all clients, and frees the port", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { lines, port, room } = yield* Scope.provide(Threads.start(), scope)
      const clients = (yield* room(2)).flat()
      yield* Scope.close(scope, Exit.void)
      for (const client of clients) {
        assert.deepStrictEqual(warningsOf(yield* client.rest), ["Warning: Server is shutting down."])
      }
      assert.include(lines, `INFO shutting down, clients connected: ${clients.length}`)
      assert.strictEqual(lines.at(-1), "INFO shutdown complete")
      assert.notMatch(lines.join("\n"), /ended|did not/)
      const next = yield* Server.start({ port })
      assert.strictEqual(next.port, port)
    })
  )

  it.live("brings clients of a thread that was busy when the end came what others had relayed", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const config = { logger: { log_level: "WARNING" }, hyper_parameters: { shutdown_grace_ms: 120_000 } }
      const { hang, reload, room } = yield* Scope.provide(Threads.start(config), scope)
      yield* reload()
      const [[late], [sender, witness]] = yield* room(2)
      const goOn = yield* hang(0)
      // Far more than a thread reads of others in a turn.
      const contents = Array.from({ length: 160 }, (_, i) => `${i} ${"x".repeat(50_000)}`)
      for (const content of contents) sender!.send(`${content}\n`)
      const expected = contents.map((content) => TcpClient.envelope(sender!, content))
      assert.deepStrictEqual(yield* witness!.lines(contents.length), expected)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      // All threads were told to end by now.
      yield* witness!.rest
      yield* goOn
      assert.deepStrictEqual(yield* late!.rest, [...expected, "Warning: Server is shutting down."])
      yield* Fiber.join(closing)
    })
  )

  it.live("brings clients of both threads the same lines, up to the last", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const config = { logger: { log_level: "WARNING" }, hyper_parameters: { shutdown_grace_ms: 120_000 } }
      const { reload, room } = yield* Scope.provide(Threads.start(config), scope)
      yield* reload()
      const threads = yield* room(2)
      const readers = threads.map(([, reader]) => reader!)
      const heard = readers.map(() => "")
      const sent = threads.map(() => 0)
      for (const [i, [sender]] of threads.entries()) {
        const other = 1 - i
        const content = (number: number) => `${number} ${"x".repeat(2000)}`
        const more = () => {
          for (const end = sent[i]! + 32; sent[i]! < end; sent[i]!++) sender!.send(`${content(sent[i]!)}\n`)
        }
        let at = 0
        // The next lines when the last has come to the other thread. Without a limit, what the server only discards at its end takes longest.
        readers[other]!.socket.on("data", (text: string) => {
          heard[other] += text
          const found = heard[other]!.indexOf(TcpClient.envelope(sender!, content(sent[i]! - 1)), at)
          if (found === -1) return
          at = found
          more()
        })
        sender!.socket.once("end", () => sender!.socket.end())
        more()
      }
      yield* Server.until(() => sent.every((lines) => lines > 200))
      yield* Scope.close(scope, Exit.void)
      for (const reader of readers) yield* reader.rest
      for (const [sender] of threads) {
        const [atOne, atTwo] = heard.map((text) => text.split("\n").filter((line) => line.includes(sender!.address)))
        assert.strictEqual(atOne!.length, atTwo!.length)
        assert.deepStrictEqual(atOne, atTwo)
      }
    })
  )
})

describe("a server of threads that starts closed", () => {
  it.live("serves nobody before it is opened, by whichever thread", () =>
    Effect.gen(function* () {
      const { port, relay } = yield* Server.start({ hyper_parameters: { worker_threads: 2 } }, { startsClosed: true })
      const clients = yield* Effect.forEach(Array.from({ length: 8 }), () => TcpClient.connect(port))
      assert.strictEqual(yield* relay.state, "starting")
      assert.deepStrictEqual(yield* relay.clients, [])
      const connected = yield* relay.changes.pipe(
        Stream.take(clients.length),
        Stream.map(({ client }) => client.address),
        Stream.runCollect,
        Effect.forkChild({ startImmediately: true })
      )
      yield* relay.open
      assert.sameMembers(
        Array.from(yield* Fiber.join(connected)),
        clients.map(({ address }) => address)
      )
      assert.strictEqual(yield* relay.state, "ready")
    })
  )

  it.live("has another thread in the place of one that crashes before it is opened", () =>
    Effect.gen(function* () {
      const { crash, joinThread, relay } = yield* Threads.start({}, { startsClosed: true })
      yield* crash(0)
      yield* relay.open
      yield* joinThread(0)
    })
  )
})

describe("a server with parts of the program", () => {
  it.live("stays at one thread, which its log says", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      yield* Layer.build(
        RelayServer.layerServerConfig({
          messageFilter: MessageFilter.gate(() => Effect.succeed(MessageFilter.relay())),
          rateLimiter: RateLimiter.layerUnlimited
        }).pipe(
          Layer.provide(ServerConfig.layerTest({ port: 0, hyper_parameters: { worker_threads: 2 } })),
          Layer.provide(RelayLogger.layerTest(lines))
        )
      ).pipe(Effect.provideService(Machine, Server.MACHINE))
      assert.deepStrictEqual(
        lines.filter((line) => line.includes("worker_threads")),
        [
          "INFO worker_threads: 2 configured, 1 runs: threads cannot share parts of the program: messageFilter, rateLimiter"
        ]
      )
    })
  )
})
