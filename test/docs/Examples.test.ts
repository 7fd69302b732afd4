import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import * as Cli from "../support/Cli.ts"
import { examples, snippets } from "../support/Documented.ts"
import * as Project from "../support/Project.ts"
import * as TcpClient from "../support/TcpClient.ts"

/** Starts an example in the project that has installed the package. */
const start = (name: string) => Cli.start([], { program: join(Project.directory, name), env: { PORT: "0" } })

describe.each(["NodeNext", "bundler"] as const)("the types of an example are right with %s", (resolution) => {
  it.each(examples)("$name", ({ file }) => {
    assert.strictEqual(Project.diagnosticsOf(resolution, file), "")
  })
})

describe.concurrent("an example", () => {
  it.live("greets each client, counts what they say, and ends in order: effect-app", () =>
    Effect.gen(function* () {
      const app = yield* start("effect-app.ts")
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

  it.live("answers a client, and ends when told to: plain", () =>
    Effect.gen(function* () {
      const app = yield* start("plain.ts")
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
})

// One run: a test runner takes longer to start than these tests.
it.live("the tests that the documentation shows pass", () =>
  Effect.gen(function* () {
    const files = [...snippets, ...examples].map(({ file }) => file).filter((file) => file.endsWith(".test.ts"))
    const { code, ended } = yield* Project.vitest(...files)
    assert.sameMembers(
      ended.map(({ file }) => file),
      files
    )
    assert.include(files, "swap-layers.test.ts")
    for (const { file, problem, tests } of ended) {
      assert.strictEqual(problem, "", file)
      assert.lengthOf(tests, file === "swap-layers.test.ts" ? 3 : 1, file)
      for (const test of tests) assert.match(test, /: passed$/, file)
    }
    assert.strictEqual(code, 0)
  })
)
