import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import manifest from "../../package.json" with { type: "json" }
import * as Cli from "../support/Cli.ts"
import * as Collector from "../support/Collector.ts"
import * as Loopback from "../support/Loopback.ts"
import * as TcpClient from "../support/TcpClient.ts"
import { threadCounts } from "../support/threadCounts.ts"

const warnings = (output: string) => output.split("\n").filter((line) => line.includes("OpenTelemetry"))

describe.each(threadCounts)("otlp.endpoint, with %i thread(s),", (threads) => {
  it.live("makes the server export logs, metrics and traces; SIGHUP and SIGTERM do what they always do", () =>
    Effect.gen(function* () {
      /** A short life, and what a collector got of it. */
      const life = Effect.gen(function* () {
        const collector = yield* Collector.start()
        const server = yield* Cli.listening(["--name", "e2e.otlp"], {
          env: {
            SUMMONER_OTLP_ENDPOINT: collector.endpoint,
            SUMMONER_HYPER_PARAMETERS_WORKER_THREADS: String(threads)
          }
        })
        const client = yield* TcpClient.connect(server.port)
        client.send("secret\n")
        yield* server.printed(/secret/)
        server.process.kill("SIGHUP")
        yield* server.printed(/no key has changed/)
        server.process.kill("SIGTERM")
        yield* client.rest
        assert.deepStrictEqual(yield* server.exit, { code: 0, signal: null })
        return collector
      })
      // The end of the server waits half a second for the collector, which may be too short on a slow machine: once it was not.
      const each = (name: string) => Array.from({ length: threads }, () => name)
      const names = ["connection", "reload", ...each("shutdown"), ...each("start")]
      const collector = yield* life.pipe(Effect.repeat({ until: ({ spans }) => spans.length === names.length }))
      assert.deepStrictEqual(collector.spans.map(({ name }) => name).toSorted(), names)
      const connection = collector.spans.find(({ name }) => name === "connection")!
      assert.strictEqual(connection.attributes["summoner.disconnect.reason"], "server shutdown")
      const texts = collector.logs.map(({ body }) => String(body))
      assert.isTrue(texts[0]!.startsWith("configuration: "), texts[0])
      assert.include(texts, "configuration: no key has changed")
      assert.include(texts, "shutdown complete")
      assert.isTrue(collector.requests.some(({ path }) => path === "/v1/metrics"))
      assert.isFalse(collector.requests.some(({ text }) => text.includes("secret")))
      for (const resource of collector.resources) {
        assert.strictEqual(resource["service.name"], "e2e.otlp")
        assert.strictEqual(resource["service.version"], manifest.version)
      }
    })
  )

  // Which the main thread finds out, however many there are.
  if (threads > 1) return

  it.live("without a collector costs one warning, and the server ends as it would", () =>
    Effect.gen(function* () {
      const { host, port } = Loopback.address()
      const server = yield* Cli.listening([], { env: { SUMMONER_OTLP_ENDPOINT: `http://${host}:${port}` } })
      yield* server.printed(/cannot be reached/)
      server.process.kill("SIGTERM")
      assert.deepStrictEqual(yield* server.exit, { code: 0, signal: null })
      assert.strictEqual(warnings(server.output()).length, 1)
    })
  )
})
