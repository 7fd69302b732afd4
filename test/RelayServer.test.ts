import { assert, describe, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { writeFileSync } from "node:fs"
import { networkInterfaces } from "node:os"
import { join } from "node:path"
import { ListenError } from "../src/session/Listener.ts"
import { TlsIdentity } from "../src/transport/tls/TlsIdentity.ts"
import * as TcpListener from "../src/transport/TcpListener.ts"
import { RelayLogger } from "../src/logging/RelayLogger.ts"
import { Backpressure } from "../src/limits/Backpressure.ts"
import { ClientLimits } from "../src/limits/ClientLimits.ts"
import { IdleTimeout } from "../src/limits/IdleTimeout.ts"
import { RateLimiter } from "../src/limits/RateLimiter.ts"
import { RelayServer } from "../src/RelayServer.ts"
import { ServerConfig } from "../src/config/ServerConfig.ts"
import * as MemoryListener from "../src/testing/MemoryListener.ts"
import * as TestQuarantine from "../src/testing/TestQuarantine.ts"
import * as Directory from "./support/Directory.ts"
import * as Ports from "./support/Ports.ts"
import * as TcpClient from "./support/TcpClient.ts"

type Overrides = Parameters<typeof ServerConfig.layerTest>[0]

const config = (overrides: Overrides) => ServerConfig.layerTest({ port: 0, ...overrides })

/** What a refused client gets does not depend on how fast this machine is. */
const patientRefusals = Layer.provide(TcpListener.layerWith({ refusalLingerMillis: 120_000 }), TlsIdentity.layer)

/** Starts a server; it stops with the scope. */
const start = Effect.fnUntraced(function* (overrides: Overrides = {}, lines: Array<string> = []) {
  const context = yield* Layer.build(
    RelayServer.layerServerConfig({ listener: patientRefusals }).pipe(
      Layer.provide(config(overrides)),
      Layer.provide(RelayLogger.layerTest(lines)),
      Layer.fresh
    )
  )
  return yield* Effect.provideContext(RelayServer, context)
})

const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ family }) => family === "IPv6")
)
const withIpv6 = hasIpv6 ? "" : " (skipped: this machine has no IPv6)"

describe("a server listens", () => {
  it.live("on a free port for port 0, and says on which", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const { address } = yield* start({}, lines)
      assert.include(lines, `INFO listening on 127.0.0.1:${address.port}, with parts of the program: listener`)
      const a = yield* TcpClient.connect(address.port)
      const b = yield* TcpClient.connect(address.port)
      yield* TcpClient.settled(a, b)
    })
  )

  it.live.each(["0.0.0.0", "localhost"])("on %s", (host) =>
    Effect.gen(function* () {
      const { address } = yield* start({ host })
      const client = yield* TcpClient.connect(address.port, { host: host === "localhost" ? host : "127.0.0.1" })
      const witness = yield* TcpClient.connect(address.port, { host: host === "localhost" ? host : "127.0.0.1" })
      yield* TcpClient.settled(client, witness)
    })
  )

  it.live.skipIf(!hasIpv6)(`on ::1, with brackets around the address${withIpv6}`, () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const { address } = yield* start({ host: "::1" }, lines)
      assert.include(lines, `INFO listening on [::1]:${address.port}, with parts of the program: listener`)
      const a = yield* TcpClient.connect(address.port, { host: "::1" })
      const b = yield* TcpClient.connect(address.port, { host: "::1" })
      yield* TcpClient.settled(a, b)
      a.send("hello\n")
      assert.strictEqual(yield* b.line, `{"remote_addr":"[::1]:${a.socket.localPort}","content":"hello"}`)
    })
  )

  it.live.skipIf(!hasIpv6)(`on ::, where a client of IPv4 is shown as one${withIpv6}`, () =>
    Effect.gen(function* () {
      const { address } = yield* start({ host: "::" })
      const four = yield* TcpClient.connect(address.port)
      const six = yield* TcpClient.connect(address.port, { host: "::1" })
      yield* TcpClient.settled(four, six)
      four.send("hello\n")
      assert.strictEqual(yield* six.line, `{"remote_addr":"127.0.0.1:${four.socket.localPort}","content":"hello"}`)
    })
  )

  it.live("or fails with what, where and why when the port is taken or the host does not exist", () =>
    Effect.gen(function* () {
      const { address } = yield* start()
      const lines: Array<string> = []
      const taken = yield* Effect.flip(start({ port: address.port }, lines))
      assert.instanceOf(taken, ListenError)
      assert.strictEqual(
        taken.message,
        `cannot listen on 127.0.0.1:${address.port}: the port is already in use (EADDRINUSE)`
      )
      assert.deepStrictEqual(lines, [])
      const unknown = yield* Effect.flip(start({ host: "no-such-host.invalid" }))
      assert.match(unknown.message, /^cannot listen on no-such-host\.invalid:0: .*\((ENOTFOUND|EAI_AGAIN)\)$/)
    })
  )
})

describe("a server in a program", () => {
  it.live("warns, once it listens, that it will disconnect senders of a large room, if it will", () =>
    Effect.gen(function* () {
      const warnings = Effect.fnUntraced(function* (hyper_parameters: { readonly max_clients?: number }) {
        const lines: Array<string> = []
        yield* Layer.build(
          RelayServer.layer({ port: 0, hyper_parameters }).pipe(
            Layer.provide(RelayLogger.layerTest(lines)),
            Layer.fresh
          )
        )
        return lines.filter((line) => line.startsWith("WARNING"))
      })
      const [warning, ...others] = yield* warnings({})
      assert.match(warning!, /^WARNING backpressure_policy: .* from 500 on it is disconnected/)
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual(yield* warnings({ max_clients: 400 }), [])
    })
  )
})

describe("a server whose scope ends", () => {
  it.live("delivers, tells every client, closes, and leaves the port free", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const scope = yield* Scope.make()
      const { address } = yield* Scope.provide(start({ port: yield* Ports.lasting }, lines), scope)
      const a = yield* TcpClient.connect(address.port)
      const b = yield* TcpClient.connect(address.port)
      yield* TcpClient.settled(a, b)
      a.socket.on("end", () => a.socket.end())
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* a.rest, ["Warning: Server is shutting down."])
      assert.deepStrictEqual(yield* b.rest, ["Warning: Server is shutting down."])
      assert.include(lines, "INFO shutdown complete")
      assert.notMatch(lines.join("\n"), /ERROR|WARNING(?! backpressure_policy)/)
      yield* start({ port: address.port })
    })
  )

  it.live("says goodbye as the Python profile does, which has no rate limit", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const overrides: Overrides = { version: "python", hyper_parameters: { rate_limit_msgs_per_minute: 1 } }
      const { address } = yield* Scope.provide(start(overrides), scope)
      const a = yield* TcpClient.connect(address.port)
      const b = yield* TcpClient.connect(address.port)
      yield* TcpClient.settled(a, b)
      a.send("1\n2\n3\n")
      assert.deepStrictEqual(
        yield* b.lines(3),
        ["1", "2", "3"].map((content) => TcpClient.envelope(a, content))
      )
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* a.rest, ["Warning: Server disconnected."])
    })
  )

  it.live("does not touch another server in the same process", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const one = yield* Scope.provide(start(), scope)
      const other = yield* start()
      const a = yield* TcpClient.connect(one.address.port)
      const b = yield* TcpClient.connect(other.address.port)
      const c = yield* TcpClient.connect(other.address.port)
      yield* TcpClient.settled(b, c)
      assert.strictEqual((yield* other.clients).length, 2)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* a.rest, ["Warning: Server is shutting down."])
      b.send("still here\n")
      assert.strictEqual(yield* c.line, TcpClient.envelope(b, "still here"))
    })
  )
})

describe("a server that starts closed", () => {
  it.live("has its address and answers the kernel's connects, but serves nobody before it is opened", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const context = yield* Layer.build(
        RelayServer.layer({ port: 0 }, { startsClosed: true }).pipe(Layer.provide(RelayLogger.layerSilent))
      )
      const relay = yield* Effect.provideContext(RelayServer, context)
      const a = yield* TcpClient.connect(relay.address.port)
      a.send("first\n")
      // Clients that come later are served by a server that is open.
      const { address } = yield* start()
      yield* TcpClient.settled(yield* TcpClient.connect(address.port), yield* TcpClient.connect(address.port))
      assert.strictEqual(yield* relay.state, "starting")
      assert.deepStrictEqual(yield* relay.clients, [])
      const following = yield* relay.events.pipe(
        Stream.take(2),
        Stream.runForEach((event) =>
          Effect.sync(() => events.push(event._tag === "Relayed" ? event.content : event._tag))
        ),
        Effect.forkScoped({ startImmediately: true })
      )
      yield* relay.open
      yield* Fiber.join(following)
      assert.deepStrictEqual(events, ["Connected", "first"])
      assert.strictEqual(yield* relay.state, "ready")
      yield* relay.open
    })
  )

  it.live("and is never opened tells the clients that wait when it stops", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Scope.provide(
        Layer.build(
          RelayServer.layer({ port: 0 }, { startsClosed: true }).pipe(Layer.provide(RelayLogger.layerSilent))
        ),
        scope
      )
      const { address } = yield* Effect.provideContext(RelayServer, context)
      const a = yield* TcpClient.connect(address.port)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* a.rest, ["Warning: Server is shutting down."])
    })
  )
})

describe("the configuration of a server in a program", () => {
  const started = <E>(layer: Layer.Layer<RelayServer, E>) =>
    Effect.map(Layer.build(layer.pipe(Layer.provide(RelayLogger.layerSilent))), (context) =>
      Context.get(context, RelayServer)
    )
  const listener = MemoryListener.layer

  it.effect("may come from its ConfigProvider", () =>
    Effect.gen(function* () {
      const config = {
        port: Config.Port("RELAY_PORT"),
        hyper_parameters: { quarantine_cooldown_secs: Config.Int("COOLDOWN").pipe(Config.withDefault(0)) }
      }
      const provider = ConfigProvider.fromUnknown({ RELAY_PORT: "7001" })
      const provided = Effect.provideService(ConfigProvider.ConfigProvider, provider)
      const relay = yield* started(RelayServer.layerConfig(config, { listener })).pipe(provided)
      assert.strictEqual(relay.address.port, 7001)
      assert.strictEqual((yield* Effect.flip(relay.quarantine.add("10.0.0.1"))).reason, "disabled")
      const wrong = RelayServer.layerConfig({ port: Config.succeed(70_000) }, { listener })
      assert.match((yield* Effect.flip(started(wrong))).message, /^RelayServer\.layerConfig: 1 problem\n {2}port: /)
      assert.strictEqual(
        (yield* Effect.flip(started(RelayServer.layerConfig(config, { listener })))).name,
        "ConfigError"
      )
    })
  )

  it.effect("may come from a file, over which variables win if the program asks for them", () =>
    Effect.gen(function* () {
      const directory = yield* Directory.make()
      const path = join(directory, "relay.json")
      writeFileSync(path, JSON.stringify({ port: 7001, version: "python" }))
      const environment = { SUMMONER_PORT: "7002", HOME: "/root" }
      assert.strictEqual((yield* started(RelayServer.layerConfigFile(path, { listener }))).address.port, 7001)
      const withVariables = RelayServer.layerConfigFile(path, { environment, listener })
      assert.strictEqual((yield* started(withVariables)).address.port, 7002)
      const overOptions = RelayServer.layer({ port: 7003 }, { environment, listener })
      assert.strictEqual((yield* started(overOptions)).address.port, 7002)
      const wrong = RelayServer.layer({ prot: 1 } as {}, { environment: { SUMMONER_PORT: "x" }, listener })
      const { message } = yield* Effect.flip(started(wrong))
      assert.match(message, /^RelayServer\.layer, environment: 2 problems/)
      assert.match(message, /SUMMONER_PORT: expected/)
    })
  )
})

describe("a client that is refused", () => {
  it.live("gets its notice also when it has begun to speak", () =>
    Effect.gen(function* () {
      const { address } = yield* start({ hyper_parameters: { max_clients: 1 } })
      const a = yield* TcpClient.connect(address.port)
      a.send("here\n")
      for (let i = 0; i < 20; i++) {
        const refused = yield* TcpClient.connect(address.port)
        refused.send("hello\n".repeat(10_000))
        assert.deepStrictEqual(yield* refused.rest, ["Warning: Server is full. Please try again later."])
      }
    })
  )

  it.live("is dropped unheard when 64 others are being told", () =>
    Effect.gen(function* () {
      const layer = RelayServer.layerServerConfig({
        listener: patientRefusals,
        quarantine: TestQuarantine.layer(["127.0.0.1"])
      }).pipe(Layer.provide(config({})), Layer.provide(RelayLogger.layerSilent))
      const { address } = yield* Effect.provideContext(RelayServer, yield* Layer.build(layer))
      // None of them closes its side before all are told, and so long each keeps its turn.
      const clients = yield* Effect.forEach(Array.from({ length: 100 }), () => TcpClient.connect(address.port), {
        concurrency: "unbounded"
      })
      const told = yield* Effect.forEach(clients, (client) => client.rest)
      const notice = "Warning: You are quarantined. Please try again in 5 seconds."
      assert.strictEqual(told.filter(([line]) => line === notice).length, 64)
      assert.strictEqual(told.filter((lines) => lines.length === 0).length, 36)
    })
  )

  it.live("is counted and named in the log, at the latest at the end", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const scope = yield* Scope.make()
      const { address } = yield* Scope.provide(start({ hyper_parameters: { max_clients: 1 } }, lines), scope)
      const a = yield* TcpClient.connect(address.port)
      a.send("here\n")
      for (let i = 0; i < 3; i++) yield* (yield* TcpClient.connect(address.port)).rest
      yield* Scope.close(scope, Exit.void)
      assert.includeMembers(lines, [
        "WARNING connections refused: server full; last from 127.0.0.1",
        "WARNING connections refused: server full 2 times; last from 127.0.0.1"
      ])
    })
  )
})

describe("each protection of a server", () => {
  /** Records what the server asks, and always answers the same. */
  const recording = (asked: Array<string>) => ({
    rateLimiter: Layer.succeed(RateLimiter, {
      open: ({ ip }) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            asked.push(`rate of ${ip}`)
            return { spendUnsafe: () => true }
          }),
          () => Effect.sync(() => asked.push(`rate of ${ip} over`))
        )
    }),
    backpressure: Layer.succeed(Backpressure, {
      decideUnsafe: (fanOut) => {
        asked.push(`fan-out ${fanOut}`)
        return fanOut === 2 ? "disconnect" : "pass"
      },
      throttle: Effect.void,
      flowControl: Effect.void
    }),
    idleTimeout: Layer.succeed(IdleTimeout, {
      watch: (_client, session) => {
        asked.push("watch")
        return Effect.ensuring(
          session,
          Effect.sync(() => asked.push("unwatch"))
        )
      }
    }),
    clientLimits: Layer.succeed(ClientLimits, {
      enterUnsafe: ({ ip }) => asked.push(`enter ${ip}`) <= 1_000,
      leaveUnsafe: ({ ip }) => void asked.push(`leave ${ip}`),
      countFromUnsafe: () => 1,
      maxClientsUnsafe: () => Infinity
    })
  })

  it.live("can be replaced", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const scope = yield* Scope.make()
      const layer = RelayServer.layerServerConfig({ ...recording(asked), quarantine: TestQuarantine.layer() }).pipe(
        Layer.provide(config({})),
        Layer.provide(RelayLogger.layerSilent)
      )
      const context = yield* Scope.provide(Layer.build(layer), scope)
      const { address, quarantine } = yield* Effect.provideContext(RelayServer, context)
      const a = yield* TcpClient.connect(address.port)
      const b = yield* TcpClient.connect(address.port)
      yield* TcpClient.settled(a, b)
      const c = yield* TcpClient.connect(address.port)
      c.send("too many\n")
      assert.deepStrictEqual(yield* c.rest, ["Warning: You have been disconnected due to backpressure."])
      yield* Scope.close(scope, Exit.void)
      for (const ip of ["enter 127.0.0.1", "leave 127.0.0.1", "rate of 127.0.0.1", "rate of 127.0.0.1 over"]) {
        assert.strictEqual(asked.filter((what) => what === ip).length, 3, ip)
      }
      assert.strictEqual(asked.filter((what) => what === "watch").length, 3)
      assert.strictEqual(asked.filter((what) => what === "unwatch").length, 3)
      assert.includeMembers(asked, ["fan-out 1", "fan-out 2"])
      assert.deepStrictEqual(
        (yield* quarantine.list).map(({ key }) => key),
        ["127.0.0.1"]
      )
    })
  )

  it.live("can be disabled alone", () =>
    Effect.gen(function* () {
      const layer = RelayServer.layerServerConfig({
        clientLimits: ClientLimits.layerUnlimited,
        rateLimiter: RateLimiter.layerUnlimited
      }).pipe(
        Layer.provide(
          config({
            hyper_parameters: {
              rate_limit_msgs_per_minute: 1,
              max_clients: 1,
              backpressure_policy: { enable_throttle: false, enable_flow_control: false, disconnect_threshold: 2 }
            }
          })
        ),
        Layer.provide(RelayLogger.layerSilent)
      )
      const { address } = yield* Effect.provideContext(RelayServer, yield* Layer.build(layer))
      const a = yield* TcpClient.connect(address.port)
      const b = yield* TcpClient.connect(address.port)
      yield* TcpClient.settled(a, b)
      const c = yield* TcpClient.connect(address.port)
      c.send("too many\n")
      assert.deepStrictEqual(yield* c.rest, ["Warning: You have been disconnected due to backpressure."])
      const back = yield* TcpClient.connect(address.port)
      assert.deepStrictEqual(yield* back.rest, ["Warning: You are quarantined. Please try again in 300 seconds."])
    })
  )
})
