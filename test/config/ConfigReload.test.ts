import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ConfigReload } from "../../src/config/ConfigReload.ts"
import { RelayLogger } from "../../src/logging/RelayLogger.ts"
import { RelayServer } from "../../src/RelayServer.ts"
import { decode, keys, settableKeys } from "../../src/config/ServerConfig.ts"
import * as TcpClient from "../support/TcpClient.ts"

/** A running server, what it logs, and a way to give it another configuration. */
const start = Effect.fnUntraced(function* (input: object) {
  const lines: Array<string> = []
  const { values } = yield* decode({ port: 0, ...input }, "test")
  const layer = RelayServer.layerServerConfig().pipe(
    Layer.provideMerge(ConfigReload.layer(values)),
    Layer.provideMerge(RelayLogger.layerTest(lines))
  )
  const context = yield* Layer.build(layer)
  const { address } = yield* Effect.provideContext(RelayServer, context)
  const reload = Effect.fnUntraced(function* (next: object) {
    const { values } = yield* decode({ port: 0, ...next }, "test")
    const service = yield* ConfigReload
    return yield* service.apply(values)
  }, Effect.provideContext(context))
  return { port: address.port, lines, reload }
})

describe("a reloaded configuration", () => {
  it.live("changes the rate limit of clients that are connected", () =>
    Effect.gen(function* () {
      const { port, reload } = yield* start({})
      const a = yield* TcpClient.connect(port)
      const b = yield* TcpClient.connect(port)
      yield* TcpClient.settled(a, b)
      yield* reload({ hyper_parameters: { rate_limit_msgs_per_minute: 1 } })
      a.send("too many\n")
      assert.strictEqual(yield* a.line, "Warning: You are sending messages too quickly. Please slow down.")
      yield* reload({})
      a.send("fine again\n")
      assert.strictEqual(yield* b.line, TcpClient.envelope(a, "fine again"))
    })
  )

  it.live("changes backpressure, quarantine and places", () =>
    Effect.gen(function* () {
      const { port, reload } = yield* start({})
      const a = yield* TcpClient.connect(port)
      const b = yield* TcpClient.connect(port)
      yield* TcpClient.settled(a, b)
      yield* reload({ hyper_parameters: { max_clients: 2 } })
      const c = yield* TcpClient.connect(port)
      assert.deepStrictEqual(yield* c.rest, ["Warning: Server is full. Please try again later."])
      yield* reload({
        hyper_parameters: { quarantine_cooldown_secs: 7, backpressure_policy: { disconnect_threshold: 1 } }
      })
      a.send("no\n")
      assert.deepStrictEqual(yield* a.rest, ["Warning: You have been disconnected due to backpressure."])
      const d = yield* TcpClient.connect(port)
      assert.deepStrictEqual(yield* d.rest, ["Warning: You are quarantined. Please try again in 7 seconds."])
    })
  )

  it.live("changes the idle timeout, also when there was none", () =>
    Effect.gen(function* () {
      const { port, reload } = yield* start({
        hyper_parameters: { client_timeout_secs: null, timeout_check_interval_secs: 1 }
      })
      const a = yield* TcpClient.connect(port)
      yield* reload({ hyper_parameters: { client_timeout_secs: 1, timeout_check_interval_secs: 1 } })
      assert.deepStrictEqual(yield* a.rest, ["Warning: You have been disconnected due to inactivity."])
    })
  )

  it.live("changes what is logged, relayed messages included", () =>
    Effect.gen(function* () {
      const { lines, port, reload } = yield* start({})
      const a = yield* TcpClient.connect(port)
      const b = yield* TcpClient.connect(port)
      yield* TcpClient.settled(a, b)
      yield* reload({ logger: { log_level: "WARNING" } })
      const before = lines.length
      a.send("not logged\n")
      yield* b.line
      assert.strictEqual(lines.length, before)
      yield* reload({ logger: { log_level: "Info" } })
      a.send("logged\n")
      yield* b.line
      assert.include(lines, `INFO From ${a.address}: logged`)
    })
  )

  it.live("logs what it changes and what needs a restart, and disconnects nobody", () =>
    Effect.gen(function* () {
      const { lines, port, reload } = yield* start({})
      const a = yield* TcpClient.connect(port)
      const b = yield* TcpClient.connect(port)
      yield* TcpClient.settled(a, b)
      const { applied, restart } = yield* reload({
        host: "0.0.0.0",
        hyper_parameters: { throttle_delay_ms: 5, slow_consumer: { policy: "drop_oldest" } }
      })
      assert.deepStrictEqual(
        applied.map(({ path }) => path),
        ["hyper_parameters.throttle_delay_ms", "hyper_parameters.slow_consumer.policy"]
      )
      assert.deepStrictEqual(restart, [{ path: "host", from: "127.0.0.1", to: "0.0.0.0" }])
      assert.includeMembers(lines, [
        "INFO configuration: hyper_parameters.throttle_delay_ms: 200 -> 5",
        'INFO configuration: hyper_parameters.slow_consumer.policy: "disconnect" -> "drop_oldest"',
        'WARNING configuration: host: "127.0.0.1" -> "0.0.0.0" needs a restart'
      ])
      a.send("still here\n")
      assert.strictEqual(yield* b.line, TcpClient.envelope(a, "still here"))
    })
  )

  it.live("changes nothing if it is the old one, and says so", () =>
    Effect.gen(function* () {
      const { lines, reload } = yield* start({})
      const { applied, restart } = yield* reload({})
      assert.deepStrictEqual([applied, restart], [[], []])
      assert.include(lines, "INFO configuration: no key has changed")
    })
  )
})

it("every key but the ignored $schema says whether it can be reloaded, and none of the wire protocol can", () => {
  const silent = keys().filter(({ isGroup, isReloadable }) => !isGroup && isReloadable === undefined)
  assert.deepStrictEqual(
    silent.map(({ path }) => path),
    ["$schema"]
  )
  const live = new Set(settableKeys().flatMap(({ isReloadable, path }) => (isReloadable ? [path] : [])))
  assert.strictEqual(live.size, 33)
  for (const path of ["port", "hyper_parameters.max_line_bytes", "hyper_parameters.rate_limit_scope", "version"]) {
    assert.isFalse(live.has(path), path)
  }
})
