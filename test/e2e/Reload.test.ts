import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Cli from "../support/Cli.ts"
import * as Directory from "../support/Directory.ts"
import * as TcpClient from "../support/TcpClient.ts"

const start = Effect.fnUntraced(function* (config: object, args: ReadonlyArray<string> = []) {
  const cwd = yield* Directory.make({ "server.json": config })
  const server = yield* Cli.listening(args, { cwd })
  return {
    cwd,
    server,
    reload: (text: string) => {
      writeFileSync(join(cwd, "server.json"), text)
      server.process.kill("SIGHUP")
    }
  }
})

describe.skipIf(process.platform === "win32")("SIGHUP", () => {
  it.live(
    "takes over what can change, for clients that are connected, and nothing from a file that is wrong or gone",
    () =>
      Effect.gen(function* () {
        const config = { hyper_parameters: { allow: ["127.0.0.1"], rate_limit_msgs_per_minute: 300 } }
        const { cwd, reload, server } = yield* start(config)
        const a = yield* TcpClient.connect(server.port)
        const b = yield* TcpClient.connect(server.port)
        yield* TcpClient.settled(a, b)
        reload('{"hyper_parameters": {"rate_limit_msgs_per_minute": 0, "throtle_delay_ms": 1}}')
        yield* server.printed(/ERROR - configuration not reloaded: server\.json: 2 problems\n/)
        yield* server.printed(/ERROR - configuration not reloaded: \S+\.throtle_delay_ms: .*throttle_delay_ms\?\n/)
        yield* server.printed(/ERROR - configuration not reloaded: \S+\.rate_limit_msgs_per_minute: .*found 0\n/)
        a.send("as before\n")
        assert.strictEqual(yield* b.line, TcpClient.envelope(a, "as before"))
        reload("{")
        yield* server.printed(/configuration not reloaded: .*line 1, column 2/)
        rmSync(join(cwd, "server.json"))
        server.process.kill("SIGHUP")
        yield* server.printed(/ERROR - configuration not reloaded: server\.json: cannot be read: .*\n/)
        reload(JSON.stringify(config))
        yield* server.printed(/INFO - configuration: no key has changed\n/)
        const { allow } = config.hyper_parameters
        reload(JSON.stringify({ host: "0.0.0.0", hyper_parameters: { allow, rate_limit_msgs_per_minute: 1 } }))
        yield* server.printed(/INFO - configuration: hyper_parameters\.rate_limit_msgs_per_minute: 300 -> 1\n/)
        yield* server.printed(/WARNING - configuration: host: "127\.0\.0\.1" -> "0\.0\.0\.0" needs a restart\n/)
        a.send("too many\n")
        assert.strictEqual(yield* a.line, "Warning: You are sending messages too quickly. Please slow down.")
      })
  )

  it.live("leaves what flags say as it is", () =>
    Effect.gen(function* () {
      const { reload, server } = yield* start({ logger: { log_level: "WARNING" } }, ["--log-level", "INFO"])
      reload(JSON.stringify({ logger: { log_level: "ERROR" }, hyper_parameters: { throttle_delay_ms: 1 } }))
      yield* server.printed(/INFO - configuration: hyper_parameters\.throttle_delay_ms: 200 -> 1\n/)
      assert.notMatch(server.output(), /log_level/)
    })
  )
})
