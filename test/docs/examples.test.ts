import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Cli from "../support/Cli.ts"
import { Package, RESOLUTIONS, ROOT } from "../support/Package.ts"
import * as TcpClient from "../support/TcpClient.ts"

const EXAMPLES = ["effect-app.ts", "plain.ts", "swap-layers.test.ts"]

/** Brings an example into the project that has installed the package. */
const bring = Effect.fnUntraced(function* (name: string) {
  const { directory, write } = yield* Package
  yield* write(name, readFileSync(join(ROOT, "docs/examples", name), "utf8"))
  return join(directory, name)
})

layer(Package.layer, { timeout: 60_000, excludeTestServices: true })("examples", (it) => {
  describe("types", () => {
    it.effect.each(Object.keys(RESOLUTIONS) as Array<keyof typeof RESOLUTIONS>)("are right with %s", (resolution) =>
      Effect.gen(function* () {
        const { check } = yield* Package
        yield* Effect.forEach(EXAMPLES, bring)
        assert.deepStrictEqual(yield* check(resolution, ...EXAMPLES), { code: 0, stdout: "", stderr: "" })
      })
    )
  })

  it.effect("effect-app greets who comes, counts what is said, and ends in order", () =>
    Effect.gen(function* () {
      const program = yield* bring("effect-app.ts")
      const app = yield* Cli.start([], { program, env: { PORT: "0" } })
      const [, port] = yield* app.printed(/listening on \S*:(\d+)/)
      const a = yield* TcpClient.connect(Number(port))
      const greeting = JSON.stringify({ remote_addr: "greeter", content: `welcome, ${a.address}` })
      assert.strictEqual(yield* a.line, greeting)
      a.send("hello\n")
      const b = yield* TcpClient.connect(Number(port))
      yield* b.line
      app.process.kill("SIGTERM")
      assert.strictEqual((yield* a.rest).at(-1), "Warning: Server is shutting down.")
      for (const { socket } of [a, b]) socket.end()
      yield* app.exit
      // The greetings are messages too.
      const characters = "hello".length + `welcome, ${a.address}welcome, ${b.address}`.length
      assert.include(app.output(), `characters said: ${characters}\n`)
    })
  )

  it.effect("plain answers, and ends when it is told to", () =>
    Effect.gen(function* () {
      const program = yield* bring("plain.ts")
      const app = yield* Cli.start([], { program, env: { PORT: "0" } })
      const [, port] = yield* app.printed(/listening on port (\d+)/)
      const a = yield* TcpClient.connect(Number(port))
      yield* app.printed(/hello/)
      a.send("!time\n")
      assert.match(yield* a.line, /^\{"remote_addr":"bot","content":"\d{4}-\d\d-\d\dT/)
      a.socket.end()
      app.process.kill("SIGTERM")
      assert.deepStrictEqual(yield* app.exit, { code: 0, signal: null })
      assert.match(app.output(), /goodbye\n$/)
    })
  )

  it.effect("swap-layers passes", () =>
    Effect.gen(function* () {
      const { node } = yield* Package
      yield* bring("swap-layers.test.ts")
      const { code, stdout } = yield* node("node_modules/vitest/vitest.mjs", "run", "swap-layers.test.ts")
      assert.strictEqual(code, 0, stdout)
      assert.match(stdout, /3 passed/)
    })
  )
})
