import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { networkInterfaces } from "node:os"
import { ListenError } from "../src/session/Listener.ts"
import * as TcpListener from "../src/transport/TcpListener.ts"
import { RelayLogger } from "../src/logging/RelayLogger.ts"
import { Backpressure } from "../src/limits/Backpressure.ts"
import { ClientLimits } from "../src/limits/ClientLimits.ts"
import { IdleTimeout } from "../src/limits/IdleTimeout.ts"
import { RateLimiter } from "../src/limits/RateLimiter.ts"
import { RelayServer } from "../src/RelayServer.ts"
import { ServerConfig } from "../src/config/ServerConfig.ts"
import * as TestQuarantine from "../src/testing/TestQuarantine.ts"
import * as Ports from "./support/Ports.ts"
import * as TcpClient from "./support/TcpClient.ts"

type Overrides = Parameters<typeof ServerConfig.layerTest>[0]

const config = (overrides: Overrides) => ServerConfig.layerTest({ port: 0, ...overrides })

/** What a refused client gets does not depend on how fast this machine is. */
const patientRefusals = TcpListener.layerWith({ refusalLingerMillis: 120_000 })

/** Starts a server; it stops with the scope. */
const start = Effect.fnUntraced(function* (overrides: Overrides = {}, lines: Array<string> = []) {
  const context = yield* Layer.build(
    RelayServer.layerNoDeps.pipe(
      Layer.provide(patientRefusals),
      Layer.provide(RelayServer.layerServices),
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
      assert.include(lines, `INFO listening on 127.0.0.1:${address.port}`)
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
      assert.include(lines, `INFO listening on [::1]:${address.port}`)
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
      assert.notMatch(lines.join("\n"), /ERROR|WARNING/)
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
      const layer = RelayServer.layerNoDeps.pipe(
        Layer.provide([TestQuarantine.layer(["127.0.0.1"]), patientRefusals]),
        Layer.provide(RelayServer.layerServices),
        Layer.provide(config({})),
        Layer.provide(RelayLogger.layerSilent)
      )
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
  const recording = (asked: Array<string>) =>
    Layer.mergeAll(
      Layer.succeed(RateLimiter, {
        openUnsafe: (ip) => {
          asked.push(`rate of ${ip}`)
          return { spendUnsafe: () => true }
        },
        closeUnsafe: (ip) => void asked.push(`rate of ${ip} over`)
      }),
      Layer.succeed(Backpressure, {
        decideUnsafe: (fanOut) => {
          asked.push(`fan-out ${fanOut}`)
          return fanOut === 2 ? "disconnect" : "pass"
        },
        throttle: Effect.void,
        flowControl: Effect.void
      }),
      Layer.succeed(IdleTimeout, {
        watchUnsafe: () => void asked.push("watch"),
        unwatchUnsafe: () => void asked.push("unwatch")
      }),
      Layer.succeed(ClientLimits, {
        enterUnsafe: ({ ip }) => asked.push(`enter ${ip}`) <= 1_000,
        leaveUnsafe: ({ ip }) => void asked.push(`leave ${ip}`),
        maxClientsUnsafe: () => Infinity
      })
    )

  it.live("can be replaced", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const scope = yield* Scope.make()
      const layer = RelayServer.layerNoDeps.pipe(
        Layer.provide([recording(asked), TestQuarantine.layer()]),
        Layer.provide(RelayServer.layerServices),
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
      const layer = RelayServer.layerNoDeps.pipe(
        Layer.provide([RateLimiter.layerUnlimited, ClientLimits.layerUnlimited]),
        Layer.provide(RelayServer.layerServices),
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
