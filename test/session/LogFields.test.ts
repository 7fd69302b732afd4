import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import { RelayLogger } from "../../src/logging/RelayLogger.ts"
import { MemoryNetwork } from "../../src/testing/MemoryListener.ts"
import * as TestRelay from "../../src/testing/TestRelay.ts"

/** What a server logs while a client says too much, another is refused, and it ends. */
const run = Effect.fnUntraced(function* (logger: Layer.Layer<never>) {
  const scope = yield* Scope.make()
  const options = { hyper_parameters: { rate_limit_msgs_per_minute: 1, max_clients: 1 } }
  const context = yield* Scope.provide(Layer.build(TestRelay.layer(options).pipe(Layer.provide(logger))), scope)
  const { connect, settled } = Context.get(context, MemoryNetwork)
  const a = yield* connect({ subject: "CN=a" })
  a.send("1\n2\n3\n")
  yield* settled
  yield* connect({ ip: "10.0.0.9" })
  yield* Scope.close(scope, Exit.void)
})

describe("the log lines of a server", () => {
  it.effect("have what they say as annotations, for the logger of the program", () => {
    const lines: Array<readonly [text: string, fields: object]> = []
    const logger = Logger.make<unknown, void>(({ fiber, message }) => {
      lines.push([String(message), fiber.getRef(References.CurrentLogAnnotations)])
    })
    return Effect.gen(function* () {
      yield* run(Logger.layer([logger]))
      const client = {
        "summoner.client.address": "127.0.0.1:49153",
        "summoner.client.ip": "127.0.0.1",
        "summoner.client.transport": "tcp",
        "summoner.client.subject": "CN=a"
      }
      assert.deepStrictEqual(lines.slice(1), [
        ["127.0.0.1:49153 (CN=a) connected (1 client)", { ...client, "summoner.clients": 1 }],
        ["127.0.0.1:49153 rate limited 2 times", { ...client, "summoner.incident.rate_limited": 2 }],
        [
          "connections refused: server full; last from 10.0.0.9",
          { "summoner.client.ip": "10.0.0.9", "summoner.incident.server_full": 1 }
        ],
        ["shutting down, clients connected: 1", { "summoner.clients": 1 }],
        [
          "127.0.0.1:49153 disconnected: server shutdown (0 clients)",
          {
            ...client,
            "summoner.clients": 0,
            "summoner.disconnect.kind": "shutdown",
            "summoner.disconnect.reason": "server shutdown"
          }
        ],
        ["shutdown complete", {}]
      ])
    })
  })

  it.effect("do not say it twice in the formats of server.json", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      yield* run(RelayLogger.layerTest(lines))
      assert.notInclude(lines.join("\n"), "summoner.")
      assert.include(lines, "INFO 127.0.0.1:49153 disconnected: server shutdown (0 clients)")
    })
  })
})
