/** The room over several processes with real servers of NATS. Here the processes are servers of one program; what differs is in `cli`. */
import { assert, describe, it } from "@effect/vitest"
import * as Nats from "@nats-io/transport-node"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { execFileSync, spawnSync } from "node:child_process"
import * as diagnostics from "node:diagnostics_channel"
import { writeFileSync } from "node:fs"
import * as Net from "node:net"
import { join } from "node:path"
import { setImmediate as endOfTurn } from "node:timers/promises"
import { afterAll, beforeAll } from "vitest"
import * as Frame from "../../src/bus/Frame.ts"
import * as NatsBus from "../../src/bus/NatsBus.ts"
import { UNREAD_MESSAGES } from "../../src/bus/Outbound.ts"
import { RelayLogger } from "../../src/logging/RelayLogger.ts"
import { RelayServer } from "../../src/RelayServer.ts"
import { Bus } from "../../src/room/Bus.ts"
import { ServerConfig } from "../../src/config/ServerConfig.ts"
import * as LoadClient from "../faults/LoadClient.ts"
import { SOAK } from "../faults/form.ts"
import { measured } from "../faults/Relay.ts"
import * as Cli from "../support/Cli.ts"
import * as Commands from "../support/Commands.ts"
import * as Directory from "../support/Directory.ts"
import * as Forwarder from "../support/Forwarder.ts"
import * as Loopback from "../support/Loopback.ts"
import { until as eventually } from "../support/Server.ts"
import { PATIENCE } from "../support/patience.ts"
import * as TcpClient from "../support/TcpClient.ts"
import * as BusLaws from "./BusLaws.ts"
import * as FakeNats from "./FakeNats.ts"
import * as NatsCredentials from "./NatsCredentials.ts"
import * as NatsServer from "./NatsServer.ts"

/** For servers that answer late, or that a test stops for as long as it wants. */
const PATIENT = { answerMillis: 60_000, pingMillis: 600_000 }

/** For servers that do not answer at all. */
const IMPATIENT = { answerMillis: 500 }

type NatsOptions = Partial<ServerConfig["Service"]["cluster"]["nats"]>

const UNLIMITED = {
  rate_limit_msgs_per_minute: 4_294_967_295,
  client_timeout_secs: null,
  backpressure_policy: { enable_throttle: false, enable_flow_control: false, enable_disconnect: false },
  // All clients of a test live on one thread: each may be busy for longer than any grace.
  slow_consumer: { stall_grace_ms: 600_000 },
  shutdown_grace_ms: 600_000
}

interface RelayOptions extends Partial<typeof PATIENT> {
  readonly slow_consumer?: { readonly stall_grace_ms: number }
  readonly history?: { readonly lines: number }
}

const relay = Effect.fnUntraced(function* (
  name: string,
  servers: NatsOptions["servers"],
  nats: NatsOptions = {},
  { slow_consumer = UNLIMITED.slow_consumer, history = { lines: 0 }, ...times }: RelayOptions = {}
) {
  const log: Array<string> = []
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
  const own = { port: 0, history, hyper_parameters: { ...UNLIMITED, slow_consumer } }
  const config = ServerConfig.layerTest({ ...own, cluster: { nats: { servers: servers ?? null, name, ...nats } } })
  const context = yield* Scope.provide(
    Layer.build(
      RelayServer.layerServerConfig({ bus: Layer.provide(NatsBus.layerWith({ ...PATIENT, ...times }), config) }).pipe(
        Layer.provide(ServerConfig.layerTest(own)),
        Layer.provide(RelayLogger.layerTest(log, { log_level: "WARNING" })),
        Layer.fresh
      )
    ),
    scope
  )
  // A server says at every level where it listens.
  log.splice(
    log.findIndex((line) => line.startsWith("INFO listening on ")),
    1
  )
  const server = yield* Effect.provideContext(RelayServer, context)
  const runSync = Effect.runSyncWith(context)
  return {
    name,
    server,
    port: server.address.port,
    log,
    stats: () => runSync(server.cluster.stats),
    stop: Scope.close(scope, Exit.void)
  }
})

type Relay = Effect.Success<ReturnType<typeof relay>>

const isUp = (relays: ReadonlyArray<Relay>) =>
  eventually(
    () => relays.every(({ stats }) => stats().state === "up"),
    () => JSON.stringify(relays.map(({ stats }) => stats()))
  )

/** Waits until each knows so many others. */
const acquainted = (relays: ReadonlyArray<Relay>, others = relays.length - 1) =>
  Effect.forEach(relays, ({ log, name, server }) =>
    eventually(
      () => Effect.runSync(server.cluster.peers).length === others,
      () => `${name} knows ${others} others:\n${log.join("\n")}`
    )
  )

/** Waits until something that an Effect finds out is so. */
const until = <E, R>(isSo: Effect.Effect<boolean, E, R>) =>
  isSo.pipe(
    Effect.tap(() => Effect.sleep("5 millis")),
    Effect.repeat({ until: (is) => is }),
    Effect.timeoutOrElse({ duration: PATIENCE, orElse: () => Effect.die(new Error("waited too long")) })
  )

const LINE_BYTES = 100

/** A sender and a reader at each. */
const crowd = Effect.fnUntraced(function* (relays: ReadonlyArray<Relay>, lineBytes = LINE_BYTES) {
  const pairs = yield* Effect.forEach(relays, (relay) =>
    Effect.map(LoadClient.connectMany(relay.port, 2, { lineBytes }), ([sender, reader]) => ({
      relay,
      sender: sender!,
      reader: reader!
    }))
  )
  const clients = pairs.flatMap(({ reader, sender }) => [sender, reader])
  for (const { reader } of pairs) yield* LoadClient.gathered(clients, reader)
  return { pairs, clients }
})

type Crowd = Effect.Success<ReturnType<typeof crowd>>

/** Everybody sends at the same time, so many lines or until told. */
const talk = ({ pairs }: Crowd, lines = Infinity, pauseMillis = 2) =>
  Effect.gen(function* () {
    for (let sent = 0; sent < lines; sent += LINES_TOGETHER) {
      for (const { sender } of pairs) sender.send(LINES_TOGETHER)
      yield* Effect.sleep(pauseMillis)
    }
  })

const LINES_TOGETHER = 10

/** Waits until everybody has said so much more, and everybody at the same relay has heard it. */
const goesOn = ({ pairs }: Crowd, lines = 200) =>
  Effect.forEach(pairs, ({ reader, sender }) => {
    const enough = reader.from(sender).lines + lines
    return reader.until((self) => self.from(sender).lines >= enough, "more lines")
  })

/** What arrives later than what was said in the last line of each has arrived: nothing more is under way. */
const settled = Effect.fnUntraced(function* ({ clients, pairs }: Crowd) {
  for (const { sender } of pairs) sender.send(1)
  for (const client of clients) {
    for (const { sender } of pairs) {
      if (sender === client) continue
      yield* client.until((self) => self.from(sender).next === sender.sent, "the last line")
    }
  }
})

/** What a fault may cost: lines on their way between processes, which are counted. Within a process nothing. */
const assertOnlyCountedLosses = ({ clients, pairs }: Crowd) => {
  let missed = 0
  for (const client of clients) {
    for (const { relay, sender } of pairs) {
      const { disordered, lines, missing } = client.from(sender)
      assert.strictEqual(disordered, 0)
      const expected = sender === client ? 0 : sender.sent
      assert.strictEqual(lines + missing, expected)
      const isLocal = pairs.some((pair) => pair.relay === relay && (pair.sender === client || pair.reader === client))
      if (isLocal) assert.strictEqual(missing, 0)
      missed += missing
    }
    assert.strictEqual(client.damaged, 0)
  }
  const lost = pairs.reduce((sum, { relay }) => sum + relay.stats().lost, 0)
  if (missed > 0) assert.isAbove(lost, 0)
  const duplicates = pairs.reduce((sum, { relay }) => sum + relay.stats().duplicates, 0)
  const dropped = pairs.reduce((sum, { relay }) => sum + relay.stats().dropped, 0)
  return { "lines missed": missed / 2, "batches lost": lost, "sent again": duplicates, dropped }
}

const LINES = SOAK ? 60_000 : 3000

/** A way to a server on which its bytes come slowly, and those to it at once. */
const slowWay = ({ host, port }: NatsServer.NatsServer, bytesPerMilli: number) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
      const sockets = new Set<Net.Socket>()
      const listener = Net.createServer((client) => {
        const server = Net.connect(port, host)
        for (const socket of [client, server]) sockets.add(socket.on("error", () => {}))
        client.pipe(server).on("close", () => client.destroy())
        server.on("data", (chunk) => {
          client.write(chunk)
          server.pause()
          setTimeout(() => server.resume(), chunk.length / bytesPerMilli)
        })
      })
      const close = () => {
        listener.close()
        for (const socket of sockets) socket.destroy()
      }
      listener.listen(0, "127.0.0.1", () => {
        const { port } = listener.address() as Net.AddressInfo
        resume(Effect.succeed({ url: `nats://127.0.0.1:${port}`, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

describe.skipIf(!NatsServer.isInstalled)(
  `NatsBus${NatsServer.isInstalled ? "" : " (skipped: this machine has no nats-server)"}`,
  () => {
    const scope = Scope.makeUnsafe()
    let running: NatsServer.NatsServer | undefined
    beforeAll(async () => {
      running = await Effect.runPromise(Scope.provide(NatsServer.started(), scope))
    })
    afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
    /** For tests that do nothing to the server. What connects to it is gone when they end. */
    const shared = Effect.sync(() => running!)

    BusLaws.laws(
      Effect.map(shared, ({ url }) => ({
        connect: Effect.fnUntraced(function* (name) {
          const config = ServerConfig.layerTest({
            cluster: { nats: { servers: url, name, max_pending_bytes: 8_388_608 } }
          })
          const services = NatsBus.layerWith(PATIENT).pipe(
            Layer.provide(config),
            Layer.provide(RelayLogger.layerTest([]))
          )
          const bus = Context.get(yield* Layer.build(services), Bus)
          yield* until(Effect.map(bus.stats, ({ state }) => state === "up"))
          return bus
        }, Effect.orDie)
      }))
    )

    it.live(
      "brings lines that are longer than the server's longest message, and warns that they travel in pieces",
      () =>
        Effect.gen(function* () {
          const directory = yield* Directory.make({ "nats.conf": "max_payload: 1024" })
          const nats = yield* NatsServer.started(["-c", join(directory, "nats.conf")])
          const [a, b] = yield* Effect.forEach(["a", "b"], (name) => relay(name, nats.url))
          const sender = yield* TcpClient.connect(a!.port)
          const reader = yield* TcpClient.connect(b!.port)
          yield* TcpClient.settled(sender, reader)
          const long = Array.from({ length: 5000 }, (_, i) => `word ${i}`).join(" ")
          sender.send(`${long}\nshort\n`)
          assert.deepStrictEqual(yield* reader.lines(2), [
            TcpClient.envelope(sender, long),
            TcpClient.envelope(sender, "short")
          ])
          assert.strictEqual(b!.stats().lost, 0)
          assert.deepStrictEqual(a!.log, [
            `WARNING bus: max_payload of NATS at ${nats.server} is 1024: a batch of up to 131104 bytes travels in pieces`
          ])
        })
    )

    it.live("greets clients that join with the last lines of the room, whichever relay they reach", () =>
      Effect.gen(function* () {
        const nats = yield* shared
        const relays = yield* Effect.forEach(["a", "b"], (name) => relay(name, nats.url, {}, { history: { lines: 3 } }))
        yield* acquainted(relays)
        const [a, b] = yield* Effect.forEach(relays, ({ port }) => TcpClient.connect(port))
        yield* TcpClient.settled(a!, b!)
        yield* TcpClient.settled(b!, a!)
        const said: Array<string> = []
        // Short batches and long ones, which a relay does not copy; one after the other, so that both have the same order.
        const long = "long ".repeat(10_000)
        for (const [content, sender, hearer] of [
          ["1", a, b],
          [long, a, b],
          ["2", b, a],
          [long, b, a]
        ] as const) {
          sender!.send(`${content}\n`)
          said.push(yield* hearer!.line)
        }
        for (const { port } of relays) {
          const late = yield* TcpClient.connect(port)
          assert.deepStrictEqual(yield* late.lines(3), said.slice(-3))
        }
      })
    )

    it.live("splits lists of clients and of quarantined addresses for a server that takes no long messages", () =>
      Effect.gen(function* () {
        const directory = yield* Directory.make({ "nats.conf": "max_payload: 8192" })
        const nats = yield* NatsServer.started(["-c", join(directory, "nats.conf")])
        const a = yield* relay("a", nats.url)
        const keys = Array.from({ length: 1000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`)
        for (const key of keys) yield* a.server.quarantine.add(key)
        const b = yield* relay("b", nats.url)
        yield* acquainted([a, b])
        yield* until(Effect.map(b.server.quarantine.list, ({ length }) => length === keys.length))
        yield* LoadClient.connectMany(b.port, 150, { lineBytes: LINE_BYTES })
        yield* until(Effect.map(b.server.clients, ({ length }) => length === 150))
        // A relay that answers late counts as silent.
        const { clients, omitted } = yield* Effect.repeat(a.server.cluster.clients, {
          until: ({ silent }) => silent.length === 0
        })
        assert.deepStrictEqual([clients.length, omitted], [150, 0])
      })
    )

    it.live(
      "outlives the NATS server: clients of one process notice nothing, and between processes no line comes twice or out of order",
      () =>
        Effect.gen(function* () {
          const nats = yield* NatsServer.started()
          const relays = yield* Effect.forEach(["a", "b", "c"], (name) => relay(name, nats.url))
          yield* acquainted(relays)
          const room = yield* crowd(relays)
          const talking = yield* Effect.forkChild(talk(room))
          for (let round = 0; round < (SOAK ? 3 : 1); round++) {
            yield* goesOn(room, LINES / 10)
            yield* nats.kill
            yield* eventually(() => relays.every(({ stats }) => stats().state === "down"))
            yield* goesOn(room, LINES / 10)
            yield* nats.start
            yield* isUp(relays)
          }
          yield* goesOn(room)
          yield* Fiber.interrupt(talking)
          yield* settled(room)
          yield* measured("nats-server killed and restarted under load", assertOnlyCountedLosses(room))
          assert.isTrue(relays.every(({ stats }) => stats().reconnects >= 1))
        })
    )

    it.live("loses no line while NATS is silent, whichever relay is first to connect again", () =>
      Effect.gen(function* () {
        const nats = yield* NatsServer.started()
        const way = yield* Forwarder.make
        way.target(nats.port, nats.host)
        // A silence is noticed after three pings: later than relays count each other as gone.
        const options = { pingMillis: 1500 }
        const urls = [nats.url, nats.url, `nats://127.0.0.1:${way.port}`]
        const relays = yield* Effect.forEach(["a", "b", "c"], (name, i) => relay(name, urls[i]!, {}, options))
        yield* acquainted(relays)
        const room = yield* crowd(relays, 10 * LINE_BYTES)
        // Of what is said without NATS, however long that lasts, less than relays keep.
        const talking = yield* Effect.forkChild(talk(room, 1200, 50))
        yield* goesOn(room)
        yield* nats.freeze
        // An attempt that the third makes meanwhile would succeed with the thaw.
        way.target(undefined)
        yield* eventually(() => relays.every(({ stats }) => stats().state === "down"))
        yield* nats.thaw
        yield* isUp(relays.slice(0, 2))
        yield* Fiber.interrupt(talking)
        // These have sent their lines before the third is back.
        yield* eventually(() => relays.slice(0, 2).every(({ stats }) => stats().bytesWaiting === 0))
        way.target(nats.port, nats.host)
        yield* isUp(relays)
        const goingOn = yield* Effect.forkChild(talk(room))
        yield* goesOn(room)
        yield* Fiber.interrupt(goingOn)
        yield* settled(room)
        const losses = assertOnlyCountedLosses(room)
        yield* measured("nats-server silent for some seconds under load", losses)
        assert.deepInclude(losses, { "lines missed": 0, dropped: 0 })
      })
    )

    it.live("gives a relay that was cut off the lines that it has missed", () =>
      Effect.gen(function* () {
        const [near, far] = yield* NatsServer.cluster(2)
        const urls = [near!.url, near!.url, far!.url]
        const relays = yield* Effect.forEach(["a", "b", "c"], (name, i) => relay(name, urls[i]!))
        yield* acquainted(relays)
        const room = yield* crowd(relays)
        const talking = yield* Effect.forkChild(talk(room))
        yield* goesOn(room)
        // Its relay has to find the other server, while the others talk.
        yield* far!.kill
        yield* eventually(
          () => relays[2]!.stats().reconnects === 1,
          () => relays[2]!.log.join("\n")
        )
        yield* goesOn(room)
        yield* Fiber.interrupt(talking)
        yield* settled(room)
        const losses = assertOnlyCountedLosses(room)
        yield* measured("the server of one relay killed under load", losses)
        assert.deepInclude(losses, { "lines missed": 0, dropped: 0 })
      })
    )

    it.live(
      "gets what it has missed, lines and quarantines, after NATS has ended the subscriptions of a relay that hung",
      () =>
        Effect.gen(function* () {
          const nats = yield* shared
          const way = yield* Forwarder.make
          way.target(nats.port, nats.host)
          const [a, b] = [yield* relay("a", nats.url), yield* relay("b", `nats://127.0.0.1:${way.port}`)]
          yield* acquainted([a, b])
          const [sender, reader] = [yield* TcpClient.connect(a.port), yield* TcpClient.connect(b.port)]
          yield* TcpClient.settled(sender, reader)
          way.hold()
          const stranger = yield* Effect.acquireRelease(
            Effect.promise(() => Nats.connect({ servers: nats.url })),
            (stranger) => Effect.promise(() => stranger.close())
          )
          for (let i = 0; i < UNREAD_MESSAGES; i++) {
            for (const subject of ["summoner.room", "summoner.room.control"]) stranger.publish(subject, "hello")
          }
          yield* Effect.promise(() => stranger.flush())
          sender.send("missed\n")
          yield* a.server.quarantine.add("10.0.0.1")
          yield* eventually(() => a.stats().bytesWaiting === 0)
          way.release()
          assert.strictEqual(yield* reader.line, TcpClient.envelope(sender, "missed"))
          yield* until(Effect.map(b.server.quarantine.list, ({ length }) => length === 1))
          assert.strictEqual(b.log.filter((line) => line.includes("did not keep up")).length, 1, b.log.join("\n"))
          sender.send("after\n")
          assert.strictEqual(yield* reader.line, TcpClient.envelope(sender, "after"))
        })
    )

    it.live("goes on with the other servers of a NATS cluster when one is killed", () =>
      Effect.gen(function* () {
        const servers = yield* NatsServer.cluster(3)
        const urls = servers.map(({ url }) => url)
        // Each begins with a server of its own, and learns of the others.
        const relays = yield* Effect.forEach(["a", "b", "c"], (name, i) => relay(name, urls[i]!))
        yield* acquainted(relays)
        const room = yield* crowd(relays)
        const talking = yield* Effect.forkChild(talk(room))
        yield* goesOn(room)
        yield* servers[0]!.kill
        yield* eventually(
          () => relays[0]!.stats().reconnects === 1,
          () => relays[0]!.log.join("\n")
        )
        yield* goesOn(room)
        yield* Fiber.interrupt(talking)
        yield* settled(room)
        yield* measured("one of three servers killed under load", assertOnlyCountedLosses(room))
        assert.deepStrictEqual(
          relays.map(({ stats }) => stats().state),
          ["up", "up", "up"]
        )
      })
    )

    /** Of a thousand bytes: several times the window and the bound. */
    const FROZEN_LINES = 6000

    const frozen = Effect.fnUntraced(function* (graceMillis: number) {
      const nats = yield* NatsServer.started()
      const [a, b] = yield* Effect.forEach(["a", "b"], (name) =>
        relay(name, nats.url, { max_pending_bytes: 1_000_000 }, { slow_consumer: { stall_grace_ms: graceMillis } })
      )
      yield* acquainted([a!, b!])
      const [sender, near] = yield* LoadClient.connectMany(a!.port, 2, { lineBytes: 1000 })
      const far = yield* LoadClient.connect(b!.port, { lineBytes: 1000 })
      yield* LoadClient.gathered([sender!, near!, far], near!)
      yield* nats.freeze
      // The server is sent no more than the window of one MiB, so that the buffers of the kernel do not count.
      yield* Effect.forkChild(sender!.sendFast(FROZEN_LINES))
      return { a: a!, nats, sender: sender!, near: near!, far }
    })

    it.live("makes senders wait for a NATS server that does not read, and loses nothing within the grace", () =>
      Effect.gen(function* () {
        const { a, far, nats, near, sender } = yield* frozen(600_000)
        yield* eventually(
          () => a.stats().bytesWaiting > 500_000,
          () => JSON.stringify(a.stats())
        )
        // The relay is in this process: each of these turns would read 64 KiB, which are more than everything.
        for (let turn = 0; turn < 200; turn++) yield* Effect.promise(() => endOfTurn())
        assert.isBelow(near.from(sender).lines, FROZEN_LINES)
        yield* nats.thaw
        for (const reader of [near, far]) {
          yield* reader.until((self) => self.from(sender).lines === FROZEN_LINES, "everything")
          assert.strictEqual(reader.from(sender).missing + reader.from(sender).disordered, 0)
        }
        assert.strictEqual(a.stats().dropped, 0)
      })
    )

    it.live(
      "makes senders wait for a confirmation for as long as lines of other relays come before it, and loses nothing",
      () =>
        Effect.gen(function* () {
          const nats = yield* shared
          const way = yield* slowWay(nats, 1000)
          const a = yield* relay("a", nats.url, {}, { slow_consumer: { stall_grace_ms: 10 } })
          const limits = { max_pending_bytes: 1024 * 1024 }
          const b = yield* relay("b", way.url, limits, { slow_consumer: { stall_grace_ms: 1000 } })
          yield* acquainted([a, b])
          const [early, far] = yield* LoadClient.connectMany(a.port, 2, { lineBytes: 1000 })
          const [sender, near] = yield* LoadClient.connectMany(b.port, 2, { lineBytes: 1000 })
          yield* LoadClient.gathered([early!, sender!], near!)
          yield* LoadClient.gathered([early!, sender!], far!)
          // Several times the grace on this way.
          yield* early!.sendFast(4000)
          yield* far!.until((self) => self.from(early!).lines === 4000, "everything at its own relay")
          yield* Effect.forkChild(sender!.sendFast(FROZEN_LINES))
          for (const reader of [near!, far!]) {
            yield* reader.until((self) => self.from(sender!).next === FROZEN_LINES, "everything")
            assert.strictEqual(reader.from(sender!).missing, 0)
          }
          assert.strictEqual(b.stats().dropped, 0)
        })
    )

    it.live("goes on without a NATS server that does not read for longer, and drops the oldest batches", () =>
      Effect.gen(function* () {
        const { a, far, nats, near, sender } = yield* frozen(100)
        yield* near.until((self) => self.from(sender).lines === FROZEN_LINES, "everything")
        assert.strictEqual(near.from(sender).missing, 0)
        assert.isAbove(a.stats().dropped, 0)
        // What is under way cannot be taken back; a batch has up to 128 KiB.
        assert.isBelow(a.stats().bytesWaiting, 1024 * 1024 + 1_000_000 + 2 * 128 * 1024)
        yield* nats.thaw
        yield* far.until((self) => self.from(sender).next === FROZEN_LINES, "the last line")
        assert.strictEqual(far.from(sender).disordered, 0)
        assert.isAbove(far.from(sender).missing, 0)
        yield* a.stop
        assert.match(a.log.join("\n"), /WARNING bus: \d+ batches for the other relays were dropped/)
      })
    )

    it.live("sends the last lines of its clients before it ends, also to a NATS server that is slow", () =>
      Effect.gen(function* () {
        const nats = yield* NatsServer.started()
        const [a, b] = yield* Effect.forEach(["a", "b"], (name) =>
          relay(name, nats.url, {}, { slow_consumer: { stall_grace_ms: 10 } })
        )
        const [sender, near] = yield* LoadClient.connectMany(a!.port, 2, { lineBytes: 1000 })
        const far = yield* LoadClient.connect(b!.port, { lineBytes: 1000 })
        yield* LoadClient.gathered([sender!, near!], far)
        yield* nats.freeze
        // Several times what goes without a confirmation.
        sender!.send(3000)
        yield* near!.until((self) => self.from(sender!).lines === 3000, "everything")
        const stopping = yield* Effect.forkChild(a!.stop, { startImmediately: true })
        yield* near!.until((self) => self.notices.length > 0, "the end")
        yield* nats.thaw
        yield* Fiber.join(stopping)
        yield* far.until((self) => self.from(sender!).lines === 3000, "everything")
        yield* acquainted([b!], 0)
      })
    )

    it.live("leaves a NATS server that is going to stop for another one, and is connected all the time", () =>
      Effect.gen(function* () {
        const [near, far] = yield* NatsServer.cluster(2)
        const urls = [near!.url, near!.url, far!.url]
        const relays = yield* Effect.forEach(["a", "b", "c"], (name, i) => relay(name, urls[i]!))
        yield* acquainted(relays)
        const room = yield* crowd(relays)
        const talking = yield* Effect.forkChild(talk(room))
        yield* goesOn(room)
        yield* near!.retire
        yield* eventually(
          () => relays.every(({ stats }, i) => stats().reconnects === (i < 2 ? 1 : 0)),
          () => relays.map(({ log }) => log.join("\n")).join("\n")
        )
        yield* near!.kill
        yield* goesOn(room)
        yield* Fiber.interrupt(talking)
        yield* settled(room)
        assert.deepInclude(assertOnlyCountedLosses(room), { "lines missed": 0, "batches lost": 0 })
        for (const { log } of relays) assert.deepStrictEqual(log, [])
      })
    )

    it.live("leaves no connection behind if it ends while it changes to a NATS server that answers late", () =>
      Effect.gen(function* () {
        const [near, far] = [yield* NatsServer.started(), yield* NatsServer.started()]
        const way = yield* Forwarder.make
        way.target(undefined)
        const a = yield* relay("a", [near.url, `nats://127.0.0.1:${way.port}`])
        yield* isUp([a])
        way.target(far.port, far.host)
        yield* far.freeze
        yield* near.retire
        yield* eventually(() => way.connections() > 0)
        yield* a.stop
        yield* far.thaw
        yield* eventually(() => way.connections() === 0)
      })
    )

    it.live("says what a NATS server that has too many connections says", () =>
      Effect.gen(function* () {
        const directory = yield* Directory.make({ "nats.conf": "max_connections: 1" })
        const nats = yield* NatsServer.started(["-c", join(directory, "nats.conf")])
        yield* isUp([yield* relay("a", nats.url)])
        const b = yield* relay("b", nats.url)
        yield* eventually(
          () =>
            b.log.some((line) =>
              line.includes(`cannot connect to NATS at ${nats.server}: maximum connections exceeded`)
            ),
          () => b.log.join("\n")
        )
      })
    )

    it.live("says that NATS does not accept its user any more", () =>
      Effect.gen(function* () {
        const directory = yield* Directory.make({ "nats.conf": permitted(ALL, ALL) })
        const file = join(directory, "nats.conf")
        const nats = yield* NatsServer.started(["-c", file])
        const some = yield* relay("some", nats.url.replace("//", "//some:pw@"))
        yield* isUp([some])
        writeFileSync(file, permitted(ALL, ALL).replace("user: some", "user: other"))
        yield* nats.reload
        yield* eventually(
          () =>
            some.log.some((line) =>
              /WARNING bus: cannot connect to NATS at \S+: .*authorization violation/i.test(line)
            ),
          () => some.log.join("\n")
        )
        const fake = yield* FakeNats.make
        const expired = yield* relay("expired", `127.0.0.1:${fake.port}`)
        yield* isUp([expired])
        fake.complain("User Authentication Expired")
        yield* eventually(() => expired.log.length > 0)
        assert.match(expired.log[0]!, /WARNING bus: NATS at \S+: .*authentication expired.*; lines reach/i)
      })
    )

    it.live("is not connected to a NATS server that takes less than a KiB, and says so", () =>
      Effect.gen(function* () {
        const directory = yield* Directory.make({ "nats.conf": "max_payload: 1000" })
        const nats = yield* NatsServer.started(["-c", join(directory, "nats.conf")])
        const a = yield* relay("a", nats.url)
        assert.strictEqual(a.stats().state, "down")
        assert.include(
          a.log.join("\n"),
          `bus: max_payload of NATS at ${nats.server} is 1000; a relay needs 1024; lines reach`
        )
      })
    )

    it.live("reports no loss if the subject of one room is that of another's control messages", () =>
      Effect.gen(function* () {
        const nats = yield* shared
        const room = (name: string, subject: string) => relay(name, nats.url, { subject })
        const relays = [yield* room("a", "room.a"), yield* room("b", "room.a")]
        const others = [yield* room("c", "room.a.control"), yield* room("d", "room.a.control")]
        yield* acquainted(relays)
        yield* acquainted(others)
        for (const [one, two] of [relays, others]) {
          const [sender, reader] = [yield* TcpClient.connect(one!.port), yield* TcpClient.connect(two!.port)]
          yield* TcpClient.settled(sender, reader)
          sender.send("hello\n")
          assert.strictEqual(yield* reader.line, TcpClient.envelope(sender, "hello"))
        }
        const all = [...relays, ...others]
        yield* eventually(() => all.every(({ stats }) => stats().malformed > 0))
        assert.deepStrictEqual(
          all.map(({ stats }) => stats().lost),
          [0, 0, 0, 0]
        )
      })
    )

    it.live("has one room for each subject", () =>
      Effect.gen(function* () {
        const nats = yield* shared
        const a = yield* relay("a", nats.url, { subject: "one" })
        const b = yield* relay("b", nats.url, { subject: "two" })
        const c = yield* relay("c", nats.url, { subject: "two" })
        yield* acquainted([b, c])
        assert.deepStrictEqual(yield* a.server.cluster.peers, [])
      })
    )

    it.live("does not bring its own lines back to its clients when another client of NATS publishes them again", () =>
      Effect.gen(function* () {
        const nats = yield* shared
        const [a, b] = [yield* relay("a", nats.url), yield* relay("b", nats.url)]
        yield* acquainted([a, b])
        const mirror = yield* Effect.acquireRelease(
          Effect.promise(() => Nats.connect({ servers: nats.url, noEcho: true })),
          (mirror) => Effect.promise(() => mirror.close())
        )
        mirror.subscribe("summoner.room", {
          callback: (_, { data }) => {
            if (Buffer.from(data).includes('"once"')) mirror.publish("summoner.room", data)
          }
        })
        yield* Effect.promise(() => mirror.flush())
        const [sender, reader] = [yield* TcpClient.connect(a.port), yield* TcpClient.connect(a.port)]
        const far = yield* TcpClient.connect(b.port)
        yield* TcpClient.settled(far, reader)
        yield* TcpClient.settled(sender, reader)
        sender.send("once\n")
        yield* eventually(
          () => b.stats().duplicates === 1,
          () => JSON.stringify(b.stats())
        )
        // Comes to the first relay after what was published again.
        far.send("after\n")
        assert.deepStrictEqual(yield* reader.lines(2), [
          TcpClient.envelope(sender, "once"),
          TcpClient.envelope(far, "after")
        ])
      })
    )

    it.live("counts messages that it does not understand, and logs them once", () =>
      Effect.gen(function* () {
        const nats = yield* shared
        const a = yield* relay("a", nats.url)
        // That it hears another is the only sign that the server knows what it listens to.
        yield* acquainted([a, yield* relay("b", nats.url)])
        const client = yield* TcpClient.connect(nats.port, { host: nats.host })
        // A frame as it should be, of a batch that is none.
        const batch = {
          sequence: 1,
          parts: [{ bytes: Buffer.from("no line"), messages: 1 }],
          bytes: 7,
          lines: 1,
          end: 7,
          dropped: 0
        }
        const [frame] = Frame.encode(Buffer.alloc(Frame.ORIGIN_BYTES, 2), batch, 100_000)
        client.send(
          Buffer.concat([
            Buffer.from("CONNECT {}\r\nPUB summoner.room 5\r\nhello\r\nPUB summoner.room.control 5\r\nhello\r\n"),
            Buffer.from(`PUB summoner.room ${frame!.length}\r\n`),
            frame!,
            Buffer.from("\r\n")
          ])
        )
        yield* eventually(
          () => a.stats().malformed === 3,
          () => JSON.stringify(a.stats())
        )
        yield* a.stop
        assert.strictEqual(a.log.filter((line) => line.includes("3 messages were not understood")).length, 1)
      })
    )

    const ALL = '["summoner.room", "summoner.room.>"]'

    /** Accounts of which the first has these permissions, the second all that the documentation asks for. */
    const permitted = (publish: string, subscribe: string) =>
      `authorization { users = [
        { user: some, password: "pw", permissions: { publish: ${publish}, subscribe: ${subscribe} } }
        { user: all, password: "pw", permissions: { publish: ${ALL}, subscribe: ${ALL} } }
      ] }`

    it.live.each([
      { what: "publish", publish: '["other.>"]', subscribe: ALL, denied: "publish to summoner.room" },
      { what: "publish lines", publish: '["summoner.room.>"]', subscribe: ALL, denied: "publish to summoner.room" },
      {
        what: "answer",
        publish: '["summoner.room", "summoner.room.control"]',
        subscribe: ALL,
        denied: "publish to summoner.room.control.*"
      },
      { what: "listen", publish: ALL, subscribe: '["other.>"]', denied: "subscribe to summoner.room" }
    ])("is not connected to a server that does not let it $what, and is as soon as it does", (given) =>
      Effect.gen(function* () {
        const directory = yield* Directory.make({ "nats.conf": permitted(given.publish, given.subscribe) })
        const file = join(directory, "nats.conf")
        const nats = yield* NatsServer.started(["-c", file])
        const some = yield* relay("some", nats.url.replace("//", "//some:pw@"))
        const all = yield* relay("all", nats.url.replace("//", "//all:pw@"))
        assert.deepStrictEqual([some.stats().state, all.stats().state], ["down", "up"])
        const sender = yield* TcpClient.connect(some.port)
        const near = yield* TcpClient.connect(some.port)
        const far = yield* TcpClient.connect(all.port)
        sender.send("early\n")
        assert.strictEqual(yield* near.line, TcpClient.envelope(sender, "early"))
        // Each attempt is another connection.
        const attempts = () =>
          new Set(Array.from(nats.output().matchAll(/cid:(\d+) .*Violation/g), ([, connection]) => connection)).size
        yield* eventually(() => attempts() >= 3, nats.output)
        assert.strictEqual(some.stats().state, "down")
        const said = some.log.filter((line) => line.includes("WARNING"))
        assert.strictEqual(said.length, 1, said.join("\n"))
        assert.include(said[0], `WARNING bus: NATS at ${nats.server} does not let this relay ${given.denied}`)

        writeFileSync(file, permitted(ALL, ALL))
        yield* nats.reload
        yield* isUp([some])
        assert.strictEqual(yield* far.line, TcpClient.envelope(sender, "early"))
        assert.strictEqual(all.stats().malformed, 0)
      })
    )

    it.live.each([
      { what: "publish", publish: '["other.>"]', subscribe: ALL },
      { what: "listen", publish: ALL, subscribe: '["other.>"]' }
    ])("is not connected any more to a server that does not let it $what any more", ({ publish, subscribe }) =>
      Effect.gen(function* () {
        const directory = yield* Directory.make({ "nats.conf": permitted(ALL, ALL) })
        const file = join(directory, "nats.conf")
        const nats = yield* NatsServer.started(["-c", file])
        const some = yield* relay("some", nats.url.replace("//", "//some:pw@"))
        yield* isUp([some])
        writeFileSync(file, permitted(publish, subscribe))
        yield* nats.reload
        yield* eventually(
          () => some.stats().state === "down",
          () => some.log.join("\n")
        )
        assert.match(
          some.log.join("\n"),
          /WARNING bus: NATS at \S+ does not let this relay .*, trying to connect again/
        )
      })
    )

    it.live("connects with a user and a password, with a token, and with certificates", () =>
      Effect.gen(function* () {
        const directory = yield* Directory.make({
          "user.conf": 'authorization { user: "me", password: "it\'s a secret" }',
          "token.conf": "authorization { token: abc }",
          "tls.conf": "tls { cert_file: cert.pem, key_file: key.pem, verify: true, ca_file: cert.pem }"
        })
        const file = (name: string) => join(directory, name)
        const address = Loopback.address()
        // No name but the address.
        const subject = ["-subj", "/CN=nats", "-addext", `subjectAltName=IP:${address.host}`]
        const keys = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "key.pem"]
        execFileSync("openssl", ["req", "-x509", ...keys, "-out", "cert.pem", "-days", "2", ...subject], {
          cwd: directory,
          stdio: "ignore"
        })
        const [user, token, tls] = yield* Effect.forEach(["user", "token", "tls"], (name) =>
          NatsServer.started(["-c", file(`${name}.conf`)], { cwd: directory, ...(name === "tls" && { address }) })
        )
        const pem = { ca: file("cert.pem"), cert: file("cert.pem"), key: file("key.pem") }
        const good = [
          yield* relay("user", `nats://me:it's%20a%20secret@${user!.server}`),
          yield* relay("token", `nats://abc@${token!.server}`),
          yield* relay("tls", `tls://${tls!.server}`, { tls: pem })
        ]
        yield* isUp(good)
        const bad = [
          yield* relay("wrong", `nats://me:guess@${user!.server}`),
          yield* relay("untrusted", `tls://${tls!.server}`),
          yield* relay("anonymous", `tls://${tls!.server}`, { tls: { ca: pem.ca, cert: null, key: null } }, IMPATIENT)
        ]
        assert.deepStrictEqual(
          bad.map(({ stats }) => stats().state),
          ["down", "down", "down"]
        )
        yield* eventually(
          () => /asks for a client certificate \(cluster\.nats\.tls\.cert\)/.test(bad[2]!.log.join("\n")),
          () => bad[2]!.log.join("\n")
        )
        assert.match(bad[0]!.log.join("\n"), /WARNING bus: cannot connect to NATS at \S+: .*Authorization/i)
        assert.match(bad[1]!.log.join("\n"), /WARNING bus: cannot connect to NATS at \S+: .*certificate/i)
        const all = [...good, ...bad].flatMap(({ log }) => log).join("\n")
        assert.notMatch(all, /secret|abc@|guess/)
      })
    )

    it.live("connects with credentials that an operator has signed", () =>
      Effect.gen(function* () {
        const { config, credentials } = NatsCredentials.one()
        const stranger = NatsCredentials.make()
        const directory = yield* Directory.make({
          "nats.conf": config,
          "relay.creds": credentials,
          "stranger.creds": stranger.credentials
        })
        const nats = yield* NatsServer.started(["-c", join(directory, "nats.conf")])
        const [a, b] = yield* Effect.forEach(["a", "b"], (name) =>
          relay(name, nats.url, { credentials: join(directory, "relay.creds") })
        )
        yield* acquainted([a!, b!])
        const one = yield* TcpClient.connect(a!.port)
        const two = yield* TcpClient.connect(b!.port)
        yield* TcpClient.settled(one, two)
        const file = join(directory, "stranger.creds")
        const unknown = yield* relay("unknown", nats.url, { credentials: file })
        assert.strictEqual(unknown.stats().state, "down")
        assert.match(unknown.log.join("\n"), /WARNING bus: cannot connect to NATS at \S+: .*Authorization/i)
        // Read again for each attempt.
        writeFileSync(file, credentials)
        yield* isUp([unknown])
      })
    )
  }
)

/** A namespace of the network with a server in it, and two ways to it. */
const island = Effect.gen(function* () {
  const name = `summoner${process.pid}`
  const ip = (...args: ReadonlyArray<string>) => execFileSync("ip", args, { stdio: "pipe" })
  yield* Effect.acquireRelease(
    Effect.sync(() => ip("netns", "add", name)),
    () => Effect.sync(() => ip("netns", "del", name))
  )
  const ways = [1, 2].map((n) => {
    const [outside, inside] = [`so${n}`, `si${n}`]
    ip("link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name)
    ip("addr", "add", `10.213.${n}.1/30`, "dev", outside)
    ip("link", "set", outside, "up")
    ip("-n", name, "addr", "add", `10.213.${n}.2/30`, "dev", inside)
    ip("-n", name, "link", "set", inside, "up")
    const set = (state: "up" | "down") => Effect.sync(() => void ip("-n", name, "link", "set", inside, state))
    return { host: `10.213.${n}.2`, cut: set("down"), mend: set("up") }
  })
  const prefix = ["ip", "netns", "exec", name]
  const nats = yield* NatsServer.started([], { address: { host: "0.0.0.0", port: 4222 }, prefix })
  return Array.from(ways, (way) => ({ ...way, url: `nats://${way.host}:${nats.port}` }))
})

const canDivide = (() => {
  const name = `probe${process.pid}`
  const added = spawnSync("ip", ["netns", "add", name]).status === 0
  if (added) spawnSync("ip", ["netns", "del", name])
  return added && NatsServer.isInstalled
})()

describe.skipIf(!canDivide || !SOAK)(
  `a network that is divided${canDivide ? (SOAK ? "" : " (skipped: with SOAK=1)") : " (skipped: it takes root, iproute2 and nats-server)"}`,
  () => {
    it.live("leaves each side a room, and makes one of them again", () =>
      Effect.gen(function* () {
        const [near, far] = yield* island
        const cut = yield* relay("b", far!.url, {}, { answerMillis: 2000, pingMillis: 1500 })
        const relays = [yield* relay("a", near!.url), cut, yield* relay("c", near!.url)]
        yield* acquainted(relays)
        const room = yield* crowd(relays)
        const talking = yield* Effect.forkChild(talk(room))
        yield* goesOn(room)
        yield* far!.cut
        yield* eventually(
          () => relays[1]!.stats().state === "down",
          () => JSON.stringify(relays[1]!.stats())
        )
        yield* acquainted([relays[0]!, relays[2]!], 1)
        yield* goesOn(room)
        yield* far!.mend
        yield* isUp(relays)
        yield* acquainted(relays)
        yield* goesOn(room)
        yield* Fiber.interrupt(talking)
        yield* settled(room)
        yield* measured("network divided for some ten seconds under load", assertOnlyCountedLosses(room))
        // Neither side has lost what was said on it.
        for (const { reader } of [room.pairs[0]!, room.pairs[2]!]) {
          for (const { sender } of [room.pairs[0]!, room.pairs[2]!]) assert.strictEqual(reader.from(sender).missing, 0)
        }
      })
    )
  }
)

/** A port on which somebody accepts connections and says nothing. */
const silentServer = Effect.acquireRelease(
  Effect.callback<Net.Server>((resume) => {
    const server = Net.createServer()
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) => Effect.sync(() => void server.close())
)

describe.concurrent("cluster.nats.connect", () => {
  const start = Effect.fnUntraced(function* (nats: NatsOptions) {
    const cwd = yield* Directory.make({ "server.json": { cluster: { nats } } })
    return yield* Cli.start(["--port", "0"], { cwd })
  })

  it.live('"wait" starts a server without NATS, and connects it as soon as NATS is there', () =>
    Effect.gen(function* () {
      const address = Loopback.address()
      const program = yield* start({ servers: `nats://u:secret@${address.host}:${address.port}`, connect: "wait" })
      const [, listening] = yield* program.printed(/listening on \S*:(\d+)/)
      const a = yield* TcpClient.connect(Number(listening))
      const b = yield* TcpClient.connect(Number(listening))
      yield* TcpClient.settled(a, b)
      yield* program.printed(/cannot connect to NATS at \S+: connection refused/)
      if (NatsServer.isInstalled) {
        const nats = yield* NatsServer.make([], { address })
        yield* nats.start
        yield* program.printed(/bus: connected to NATS at \S+/)
      }
      program.process.kill("SIGTERM")
      assert.strictEqual((yield* program.exit).code, 0)
      assert.notInclude(program.output(), "secret")
    })
  )

  it.live.skipIf(!NatsServer.isInstalled)(
    "a reload (SIGHUP) connects anew if a file of the connection has changed, and only then",
    () =>
      Effect.gen(function* () {
        const { config, credentials } = NatsCredentials.one()
        const directory = yield* Directory.make({ "nats.conf": config, "relay.creds": credentials })
        const file = join(directory, "relay.creds")
        const nats = yield* NatsServer.started(["-c", join(directory, "nats.conf")])
        const program = yield* start({ servers: nats.url, credentials: file })
        yield* program.printed(/listening on/)
        yield* program.printed(/bus: connected to NATS/)
        program.process.kill("SIGHUP")
        yield* program.printed(/no key has changed/)
        writeFileSync(file, `${credentials}\n`)
        program.process.kill("SIGHUP")
        yield* program.printed(/bus: connected again after 0\.0 s/)
        assert.strictEqual(program.output().split("connected again").length, 2)
        // A slow machine may have needed several attempts at first.
        assert.notInclude(program.output().split("bus: connected to NATS")[1]!, "this process only")
      })
  )

  it.live('"wait" says once that no server is there, however often it tries', () =>
    Effect.gen(function* () {
      const { host, port } = Loopback.address()
      let attempts = 0
      const onSocket = (message: unknown) => {
        const { socket } = message as { readonly socket: Net.Socket }
        socket.on("connectionAttempt", (_ip: string, tried: number) => {
          if (tried === port) attempts++
        })
      }
      const channel = "net.client.socket"
      yield* Effect.acquireRelease(
        Effect.sync(() => diagnostics.subscribe(channel, onSocket)),
        () => Effect.sync(() => diagnostics.unsubscribe(channel, onSocket))
      )
      const a = yield* relay("a", `${host}:${port}`)
      yield* eventually(() => attempts >= 4)
      assert.strictEqual(a.log.length, 1)
      assert.include(a.log[0], `cannot connect to NATS at ${host}:${port}: connection refused`)
    })
  )

  it.live('"wait" starts and ends a relay beside a NATS server that is silent', () =>
    Effect.gen(function* () {
      const silent = yield* silentServer
      const { port } = silent.address() as Net.AddressInfo
      const a = yield* relay("a", `127.0.0.1:${port}`, { connect: "wait" }, IMPATIENT)
      assert.strictEqual(a.stats().state, "down")
      yield* a.stop
    })
  )

  it.live("leaves no connection open to a NATS server that is silent", () =>
    Effect.gen(function* () {
      const silent = yield* silentServer
      let attempts = 0
      let open = 0
      silent.on("connection", (socket) => {
        attempts++
        open++
        socket.on("close", () => open--).on("error", () => {})
        // Else nobody sees the end.
        socket.resume()
      })
      const { port } = silent.address() as Net.AddressInfo
      const a = yield* relay("a", `127.0.0.1:${port}`, { connect: "wait" }, { answerMillis: 50 })
      yield* eventually(() => attempts >= 8)
      // One of the library, and one that asks for the reason.
      yield* eventually(
        () => open <= 2,
        () => `${open} of ${attempts} connections`
      )
      yield* a.stop
      yield* eventually(
        () => open === 0,
        () => `${open} connections after the end`
      )
    })
  )

  it.live('"fail" ends a start without a server, and says why', () =>
    Effect.gen(function* () {
      const { host, port } = Loopback.address()
      const program = yield* start({ servers: `nats://u:secret@${host}:${port}`, connect: "fail" })
      assert.strictEqual((yield* program.exit).code, 1)
      assert.include(program.output(), `error: cannot connect to NATS at ${host}:${port}: connection refused\n`)
      assert.notMatch(program.output(), /listening|secret|\n\s+at /)
    })
  )

  it.live('"fail" ends a start with a server that does not allow what a relay does', () =>
    Effect.gen(function* () {
      const nats = yield* FakeNats.make
      nats.answers.set("PUB summoner.room.control ", 'Permissions Violation for Publish to "summoner.room.control"')
      const { message } = yield* Effect.flip(relay("a", `127.0.0.1:${nats.port}`, { connect: "fail" }))
      const why = `NATS at 127.0.0.1:${nats.port} does not let this relay publish to summoner.room.control`
      assert.strictEqual(message, why)
      yield* eventually(
        () => nats.connections() === 0,
        () => `${nats.connections()} connections`
      )
    })
  )

  it.live.each([
    { how: "says nothing any more", onQuestion: "silence", why: "does not answer" },
    { how: "ends it", onQuestion: "end", why: "lost" }
  ] as const)("is not connected to a server that takes a connection and then $how", ({ onQuestion, why }) =>
    Effect.gen(function* () {
      const nats = yield* FakeNats.make
      nats.onQuestion = onQuestion
      const a = yield* relay("a", `127.0.0.1:${nats.port}`, {}, IMPATIENT)
      yield* eventually(
        () => a.log.some((line) => line.includes(`${why}; lines reach the clients of this process only`)),
        () => a.log.join("\n")
      )
      assert.strictEqual(a.stats().state, "down")
      nats.onQuestion = "answer"
      yield* isUp([a])
      // None of the attempts is left over.
      yield* eventually(
        () => nats.connections() === 1,
        () => `${nats.connections()} connections`
      )
    })
  )

  it.live("leaves no connection behind if a relay ends while it changes to another NATS server", () =>
    Effect.gen(function* () {
      const [first, second] = [yield* FakeNats.make, yield* FakeNats.make]
      first.info.connect_urls = [`127.0.0.1:${second.port}`]
      const a = yield* relay("a", `127.0.0.1:${first.port}`)
      yield* isUp([a])
      // It changes once this one has answered.
      second.onQuestion = "silence"
      const asked = Effect.callback<void>((resume) => {
        second.onLine = (line) => {
          if (line.startsWith("PUB ")) resume(Effect.void)
        }
        first.retire()
      })
      yield* asked
      // What a relay does last is to ask whether its goodbye has arrived.
      first.onQuestion = "silence"
      first.onLine = (line) => {
        if (line === "PING") second.answer()
      }
      yield* a.stop
      yield* eventually(
        () => first.connections() + second.connections() === 0,
        () => `${first.connections()} and ${second.connections()} connections`
      )
    })
  )

  it.live("warns of a NATS server that is older than those that relays are tested with", () =>
    Effect.gen(function* () {
      const nats = yield* FakeNats.make
      nats.info.version = "2.1.9"
      const server = `127.0.0.1:${nats.port}`
      const a = yield* relay("a", server)
      yield* isUp([a])
      assert.deepStrictEqual(a.log, [
        `WARNING bus: NATS at ${server} is version 2.1.9: relays are tested with 2.9 and newer`
      ])
    })
  )

  it.live("logs each complaint of the NATS server once, and of very many only the first 32", () =>
    Effect.gen(function* () {
      const nats = yield* FakeNats.make
      const a = yield* relay("a", `127.0.0.1:${nats.port}`)
      yield* isUp([a])
      const said = () => a.log.flatMap((line) => /NATS says: (.*)/.exec(line)?.[1] ?? [])
      for (let round = 0; round < 3; round++) {
        nats.complain("this")
        nats.complain("that")
      }
      for (let i = 0; i < 100; i++) nats.complain(`problem ${i}`)
      // What ends the connection is read last.
      nats.complain('Permissions Violation for Publish to "summoner.room"')
      yield* eventually(
        () => a.log.some((line) => line.includes("does not let this relay")),
        () => a.log.join("\n")
      )
      assert.deepStrictEqual(said().slice(0, 3), ["this", "that", "problem 0"])
      assert.strictEqual(said().length, 32)
    })
  )
})

describe("files of cluster.nats", () => {
  it.live("that are of no use end a start, which names all of them, as check does", () =>
    Effect.gen(function* () {
      const tls = { ca: "server.json", cert: null, key: null }
      const nats = { servers: "127.0.0.1:1", credentials: "missing.creds", tls }
      const problems = [
        "cluster.nats.credentials: expected credentials of a NATS user (.creds), found missing.creds, which does not exist (ENOENT)",
        "cluster.nats.tls.ca: expected certificates of authorities (PEM), found server.json, which is not PEM"
      ]
      const cwd = yield* Directory.make({ "server.json": { cluster: { nats } } })
      const started = yield* Commands.line(["--port", "0"], { cwd })
      assert.strictEqual(started.code, 1)
      assert.include(started.stderr, `error: ${problems.join("\n  ")}\n`)
      const check = yield* Commands.line(["check"], { cwd })
      assert.strictEqual(check.code, 1)
      for (const problem of problems) assert.include(check.stdout + check.stderr, `  ${problem}\n`)
    })
  )
})
