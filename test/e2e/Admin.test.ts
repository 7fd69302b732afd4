import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Cli from "../support/Cli.ts"
import * as Commands from "../support/Commands.ts"
import * as Directory from "../support/Directory.ts"
import * as TcpClient from "../support/TcpClient.ts"
import { threadCounts } from "../support/threadCounts.ts"

const adminPort = (server: Cli.Running) =>
  Effect.map(server.printed(/admin on http:\/\/127\.0\.0\.1:(\d+)/), ([, port]) => Number(port))

const ADMIN = { SUMMONER_ADMIN_PORT: "0" }

describe("the admin port", () => {
  it.live("is switched on by the environment, and never shows the token", () =>
    Effect.gen(function* () {
      const token = "t0ken-nobody-may-see"
      const server = yield* Cli.listening([], { env: { ...ADMIN, SUMMONER_ADMIN_TOKEN: token } })
      const port = yield* adminPort(server)
      const drained = yield* Effect.promise(() =>
        fetch(`http://127.0.0.1:${port}/api/drain`, { method: "POST", headers: { authorization: `Bearer ${token}` } })
      )
      assert.strictEqual(drained.status, 200)
      yield* server.printed(/INFO - admin 127\.0\.0\.1: drain/)
      assert.notInclude(server.output(), token)
      const env = { ...ADMIN, SUMMONER_ADMIN_TOKEN: token }
      const { stderr, stdout } = yield* Commands.line(["check"], { cwd: yield* Directory.make(), env })
      assert.match(stdout, /admin\.token +"\(hidden\)" +SUMMONER_ADMIN_TOKEN/)
      assert.notInclude(stdout + stderr, token)
    })
  )

  it.live("loads neither TLS nor fetch, and a server without it no HTTP: each takes a seventh of the start", () =>
    Effect.gen(function* () {
      const atExit = 'process.on("exit", () => console.log(process.moduleLoadList.join("\\n")))'
      const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(atExit)}`
      for (const [env, unwanted] of [
        [ADMIN, /^NativeModule (tls|internal\/deps\/undici\/undici)$/m],
        [{}, /^NativeModule (tls|http)$/m]
      ] as const) {
        const server = yield* Cli.listening([], { env: { ...env, NODE_OPTIONS } })
        server.process.kill("SIGTERM")
        yield* server.exit
        assert.match(server.stdout(), /^NativeModule net$/m)
        assert.notMatch(server.stdout(), unwanted)
      }
    })
  )

  it.live("does not start where others could reach it without a token", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* Commands.line(["--port", "0"], {
        cwd: yield* Directory.make(),
        env: { ...ADMIN, SUMMONER_ADMIN_HOST: "0.0.0.0" }
      })
      assert.strictEqual(code, 1)
      assert.match(
        stderr,
        /admin\.token: expected a token, because admin\.host \("0\.0\.0\.0"\) is no loopback address, found null/
      )
    })
  )

  it.live.each(threadCounts)(
    "does not hold up the end of a server of %i thread(s): open streams, and a client that does not read",
    (threads) =>
      Effect.gen(function* () {
        const server = yield* Cli.listening([], {
          env: { ...ADMIN, SUMMONER_HYPER_PARAMETERS_WORKER_THREADS: String(threads) }
        })
        const port = yield* adminPort(server)
        const endings = yield* Effect.promise(() =>
          Promise.all(
            Array.from({ length: 3 }, async () => {
              const response = await fetch(`http://127.0.0.1:${port}/api/events`)
              const reader = response.body!.getReader()
              await reader.read()
              return async () => {
                while (!(await reader.read()).done) continue
              }
            })
          )
        )
        const deaf = TcpClient.raw(port)
        deaf.on("error", () => {}).pause()
        deaf.write("GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        const closed = endings.map((ended) => ended().catch(() => {}))
        server.process.kill("SIGTERM")
        assert.deepStrictEqual(yield* server.exit, { code: 0, signal: null })
        yield* Effect.promise(() => Promise.all(closed))
        assert.match(server.output(), /shutdown complete/)
        deaf.destroy()
      })
  )
})
